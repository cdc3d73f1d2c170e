import { existsSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { isPodReady, shellContainer, startTestWorkloads, until } from '../../testing/workloads.js';
import type { Json } from '../store/types.js';

let cluster: Awaited<ReturnType<typeof startTestWorkloads>>;

beforeEach(async () => {
  cluster = await startTestWorkloads();
  cluster.createPod('web', shellContainer('trap exit TERM; while :; do sleep 0.05; done'));
  await until(() => isPodReady(cluster.pod('web')));
});

afterEach(async () => {
  await cluster.stop();
});

function add(name: string, script: string): void {
  cluster.store.update('pods', 'default', 'web', (pod) => {
    const container = shellContainer(script, { name });
    pod.spec.ephemeralContainers = [...(pod.spec.ephemeralContainers ?? []), container];
  });
}

const statusOf = (name: string): Json =>
  cluster.pod('web').status.ephemeralContainerStatuses?.find((status: Json) => status.name === name) ?? {};
const terminated = (name: string): Json => statusOf(name).state?.terminated;

describe('an ephemeral container', () => {
  test('runs once beside the others, also when it fails, and leaves a message', async () => {
    add('first', 'printf "it was me" > "$SQUALL_TERMINATION_LOG"; echo "$SQUALL_TERMINATION_LOG"; exit 3');
    await until(() => terminated('first') !== undefined);
    expect(terminated('first')).toMatchObject({ exitCode: 3, reason: 'Error', message: 'it was me' });
    add('second', 'kill -KILL $$$$');
    await until(() => terminated('second') !== undefined);
    expect(terminated('second')).toMatchObject({ exitCode: 137 });
    expect([statusOf('first').restartCount, statusOf('second').restartCount]).toEqual([0, 0]);
    expect(isPodReady(cluster.pod('web'))).toBe(true);
    const request = { container: 'first', follow: false, previous: false };
    const log = cluster.logs.read(cluster.pod('web'), request, new AbortController().signal)!;
    for await (const { text } of log) expect(existsSync(text)).toBe(false);
  });

  test('has its share of 12 KiB for the message, and 4 KiB at most', async () => {
    const long = 'head -c 9000 /dev/zero | tr "\\0" x > "$SQUALL_TERMINATION_LOG"';
    add('first', long);
    await until(() => terminated('first') !== undefined);
    expect(terminated('first').message).toHaveLength(4_096);
    for (const name of ['b', 'c', 'd', 'e']) add(name, long);
    await until(() => terminated('e') !== undefined);
    expect(terminated('e').message).toHaveLength(2_048);
  });

  test('ends with its pod', async () => {
    add('helper', 'sleep 1000');
    await until(() => statusOf('helper').state?.running !== undefined);
    const pid = Number(statusOf('helper').containerID.replace('process://', ''));
    cluster.store.delete('pods', 'default', 'web', { gracePeriodSeconds: 1 });
    await until(() => cluster.pod('web') === undefined);
    expect(existsSync(`/proc/${pid}`)).toBe(false);
  });
});
