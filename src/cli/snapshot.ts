import type { EventEmitter } from 'node:events';
import { once } from 'node:events';
import { stringify } from 'yaml';
import { API_VERSION } from '../api/labels.js';
import type { KubeObject } from '../kubernetes/resource.js';
import { type ClusterOptions, connect } from './connect.js';
import { exitCodes, type Io, UsageError } from './io.js';
import type { LeftOut } from './plan/contents.js';
import { type PlanKindName, planKinds } from './plan/kinds.js';
import { pagesOf, readable, serverVersion } from './plan/read.js';
import { SNAPSHOT_END, SNAPSHOT_KIND, type SnapshotHeader } from './plan/snapshot-format.js';
import { printable } from './text.js';
import { version } from './version.js';

/** The options of `squall snapshot`. */
export interface SnapshotOptions extends ClusterOptions {
  allNamespaces?: boolean;
}

const kindNames = Object.keys(planKinds) as PlanKindName[];

/**
 * `squall snapshot`: writes what plans are made from as YAML, one page after the other.
 *
 * @returns the exit code: 0, also when something may not be read; then the header says so
 */
export async function snapshotCommand(options: SnapshotOptions, io: Io): Promise<number> {
  if (options.allNamespaces && options.namespace !== undefined)
    throw new UsageError('-n and -A exclude each other: one namespace, or all');
  const connection = await connect(options, 'snapshot');
  const { client, systemNamespace } = connection;
  const namespaces = options.namespace === undefined ? undefined : [options.namespace];
  try {
    const readOptions = { client, systemNamespace, namespaces };
    const server = await serverVersion(client);
    const found = await Promise.all(kindNames.map(async (kind) => ({ kind, ...(await readable(kind, readOptions)) })));
    const leftOut = found.flatMap((each) => each.leftOut);
    const header: SnapshotHeader = {
      apiVersion: API_VERSION,
      kind: SNAPSHOT_KIND,
      takenAt: new Date(client.clock.now()).toISOString(),
      serverVersion: server,
      systemNamespace,
      ...(namespaces && { namespaces }),
      leftOut,
    };
    await write(io, `${comments(header, connection.cluster.server)}${stringify(header)}`);
    let objects = 0;
    for (const { kind, where } of found) {
      for await (const { items, restarted } of pagesOf(kind, where, client)) {
        // What was written can't be taken back; twice the same object would be worse than none.
        if (restarted)
          throw new Error(`${planKinds[kind].resource.plural} changed faster than they could be read: try again`);
        await write(io, items.map(documentOf).join(''));
        objects += items.length;
        io.stderr.write(`${planKinds[kind].resource.plural}: ${items.length}\n`);
      }
    }
    await write(io, `---\n${stringify({ apiVersion: API_VERSION, kind: SNAPSHOT_END, objects })}`);
    for (const line of leftOutLines(leftOut)) io.stderr.write(`left out: ${line}\n`);
    return exitCodes.Passed;
  } finally {
    connection.close();
  }
}

function documentOf(object: KubeObject): string {
  return `---\n${stringify(object, { aliasDuplicateObjects: false, lineWidth: 0 })}`;
}

function comments({ takenAt, serverVersion: server, namespaces, leftOut }: SnapshotHeader, address: string): string {
  const what = namespaces ? `namespace ${namespaces.join(', ')}, and the nodes and pods of all` : 'all namespaces';
  const lines = [
    `Snapshot of ${address} (Kubernetes ${server}), taken ${takenAt} by squall ${version}: ${what}.`,
    'For `squall plan --snapshot FILE`. It holds no Secrets, no ConfigMaps, and nothing that containers are given.',
    ...(leftOut.length > 0 ? ['Left out:', ...leftOutLines(leftOut).map((line) => `- ${line}`)] : []),
  ];
  return lines.map((line) => `# ${printable(line)}\n`).join('');
}

function leftOutLines(leftOut: readonly LeftOut[]): string[] {
  return leftOut.map(({ kind, why }) => `${planKinds[kind].resource.plural} (${planKinds[kind].why}): ${why}`);
}

/** Waits while whoever reads has not taken what is there already. */
async function write({ stdout }: Io, text: string): Promise<void> {
  if (text !== '' && stdout.write(text) === false && 'once' in stdout)
    await once(stdout as unknown as EventEmitter, 'drain');
}
