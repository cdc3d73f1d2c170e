import { findCondition } from '../../api/conditions.js';
import { HALT_POLICY } from '../../api/labels.js';
import { experimentRuns, experiments, injections, safetyPolicies } from '../../controller/resources.js';
import type { Client } from '../../kubernetes/client.js';
import { UnknownKindError } from '../../kubernetes/client.js';
import { ApiError } from '../../kubernetes/errors.js';
import { type KubeObject, pods, type Resource } from '../../kubernetes/resource.js';
import { type ClusterOptions, type Connection, connect } from '../connect.js';
import { awaitQuiet, createHalt } from '../halt.js';
import { exitCodes, type Io } from '../io.js';
import { installOptions, nameOf } from './command.js';
import { installation } from './objects.js';

/** Options of `squall uninstall`. */
export interface UninstallCommandOptions extends ClusterOptions {
  /** Also delete the experiments, runs and policies that people made. */
  deleteData?: boolean;
  /** Go on though it is not proven that every fault is gone. */
  force?: boolean;
}

const GONE_WITHIN_MILLISECONDS = 120_000;
const LOOK_EVERY_MILLISECONDS = 250;

/**
 * `squall uninstall`: halts, waits until every fault is proven to be taken back, and only then removes what `install`
 * made. Experiments and runs, which people may want to keep, keep their kinds.
 */
export async function uninstallCommand(options: UninstallCommandOptions, io: Io): Promise<number> {
  const connection = await connect(options, 'uninstall');
  try {
    const served = await isServed(connection.client);
    if (served && !(await bringToRest(connection, io)) && !options.force) {
      io.stderr.write(
        'Nothing was removed, and the halt stays. Mend what is named above and call `squall uninstall` again; --force removes Squall all the same, and what is left of the faults stays with you\n',
      );
      return exitCodes.Error;
    }
    await removeWorkloads(connection, io);
    if (served) await removeKinds(connection, options, io);
    const { namespace } = installation(installOptions(options));
    await remove(connection.client, namespace, io);
    return exitCodes.Passed;
  } finally {
    connection.close();
  }
}

async function isServed(client: Client): Promise<boolean> {
  return client.discover('squall.dev/v1alpha1', 'Injection').then(
    () => true,
    (error: unknown) => {
      if (error instanceof UnknownKindError) return false;
      throw error;
    },
  );
}

/** Halts everything and waits. Returns whether nothing of any fault is left. */
async function bringToRest(connection: Connection, io: Io): Promise<boolean> {
  await createHalt(connection, 'Squall is being uninstalled');
  io.stdout.write('every run is halted\n');
  if ((await awaitQuiet(connection, io)) !== exitCodes.Passed) return false;
  const unproven = await unprovenRuns(connection.client);
  if (unproven.length > 0) io.stderr.write(`ended without proof that their faults are gone: ${unproven.join(', ')}\n`);
  const left = await emptied(() => namesOf(connection.client, injections));
  if (left.length > 0) io.stderr.write(`injections that are not taken back: ${left.join(', ')}\n`);
  if (left.length === 0) io.stdout.write('every fault is taken back\n');
  return left.length === 0;
}

/** Runs say so for ever; they only matter together with an injection that is still there. */
async function unprovenRuns(client: Client): Promise<string[]> {
  if ((await namesOf(client, injections)).length === 0) return [];
  const found: string[] = [];
  for await (const page of client.listAll(experimentRuns)) {
    for (const { metadata, status } of page.items) {
      if (findCondition(status?.conditions, 'Reverted')?.status === 'Unknown')
        found.push(`${metadata.namespace}/${metadata.name}`);
    }
  }
  return found;
}

async function removeWorkloads({ client, systemNamespace }: Connection, io: Io): Promise<void> {
  const { controller, agents } = installation(installOptions({ systemNamespace }));
  const isWorkload = ({ kind }: KubeObject) => kind === 'Deployment' || kind === 'DaemonSet';
  const objects = [...agents, ...controller];
  for (const object of objects.filter(isWorkload)) await remove(client, object, io);
  // Their rights go after them, so that they can still say goodbye.
  const selector = { namespace: systemNamespace, labelSelector: 'app.kubernetes.io/name=squall' };
  await emptied(async () => (await client.list(pods, selector)).items.map(({ metadata }) => metadata.name ?? ''));
  for (const object of objects.filter((each) => !isWorkload(each)).reverse()) await remove(client, object, io);
}

/** Deletes the kinds, unless that would delete what people made and they did not say so. */
async function removeKinds({ client, systemNamespace }: Connection, options: UninstallCommandOptions, io: Io) {
  await client.delete(safetyPolicies, undefined, HALT_POLICY).catch(ignoreMissing);
  const counts = [];
  for (const [words, resource] of data) {
    const found = (await namesOf(client, resource)).length;
    if (found > 0) counts.push(`${found} ${words}`);
  }
  if (counts.length > 0 && !options.deleteData) {
    io.stdout.write(
      `kept: the CustomResourceDefinitions, because they hold ${counts.join(', ')}; --delete-data removes these too\n`,
    );
    return;
  }
  for (const crd of installation(installOptions({ systemNamespace })).crds) await remove(client, crd, io);
}

const data: [string, Resource][] = [
  ['Experiments', experiments],
  ['ExperimentRuns', experimentRuns],
  ['SafetyPolicies', safetyPolicies],
  ['Injections', injections],
];

async function remove(client: Client, object: KubeObject, io: Io): Promise<void> {
  const { name = '', namespace } = object.metadata;
  try {
    const resource = await client.discover(object.apiVersion ?? '', object.kind ?? '');
    await client.delete(resource, namespace, name, { propagationPolicy: 'Foreground' });
    io.stdout.write(`${nameOf(object)} deleted\n`);
  } catch (error) {
    if (error instanceof UnknownKindError) return;
    ignoreMissing(error);
  }
}

async function namesOf(client: Client, resource: Resource): Promise<string[]> {
  const names: string[] = [];
  for await (const page of client.listAll(resource)) {
    names.push(...page.items.map(({ metadata }) => metadata.name ?? ''));
  }
  return names;
}

/** Waits until a list is empty; returns what is left of it when the time is over. */
async function emptied(list: () => Promise<string[]>): Promise<string[]> {
  const deadline = performance.now() + GONE_WITHIN_MILLISECONDS;
  for (;;) {
    const left = await list();
    if (left.length === 0 || performance.now() > deadline) return left;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MILLISECONDS));
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof ApiError && error.isNotFound)) throw error;
}
