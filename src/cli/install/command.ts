import { stringify } from 'yaml';
import { DEFAULT_NAMESPACE } from '../../api/labels.js';
import { ensure } from '../../kubernetes/apply.js';
import { ApiError } from '../../kubernetes/errors.js';
import type { KubeObject } from '../../kubernetes/resource.js';
import { type ClusterOptions, connect } from '../connect.js';
import { untilReady } from '../deploy.js';
import { installCrds } from '../install-crds.js';
import { exitCodes, type Io, UsageError } from '../io.js';
import { version } from '../version.js';
import { inOrder, installation } from './objects.js';
import type { InstallOptions } from './workloads.js';

/** Options of `squall install`. */
export interface InstallCommandOptions extends ClusterOptions {
  print?: boolean;
  image: string;
  pullPolicy: string;
  pullSecret: string[];
  agents: boolean;
  replicas: number;
  wait: boolean;
}

/** The image of this version: built by the Dockerfile, and put where the nodes find it. */
export const defaultImage = `squall:${version}`;

/** What an installation is made of when nothing else is asked for. */
export function installOptions(options: Partial<InstallCommandOptions> = {}): InstallOptions {
  return {
    namespace: options.systemNamespace ?? DEFAULT_NAMESPACE,
    image: options.image ?? defaultImage,
    imagePullPolicy: options.pullPolicy ?? 'IfNotPresent',
    imagePullSecrets: options.pullSecret ?? [],
    agents: options.agents ?? true,
    replicas: options.replicas ?? 2,
  };
}

/** `squall install`: makes what is missing, brings the rest up to date, and waits until it runs; `--print` only prints. */
export async function installCommand(options: InstallCommandOptions, io: Io): Promise<number> {
  const wanted = installation(installOptions(options));
  if (options.print) {
    io.stdout.write(manifest(inOrder(wanted)));
    return exitCodes.Passed;
  }
  const connection = await connect(options, 'install');
  try {
    await installCrds(connection.client);
    io.stdout.write(`${wanted.crds.length} CustomResourceDefinitions of squall.dev served\n`);
    for (const object of [wanted.namespace, ...wanted.controller, ...wanted.agents]) {
      await ensure(connection.client, object).catch((error: unknown) => refused(object, error));
      io.stdout.write(`${nameOf(object)} applied\n`);
    }
    if (options.wait) await awaitWorkloads(connection.client, [...wanted.controller, ...wanted.agents], io);
    return exitCodes.Passed;
  } finally {
    connection.close();
  }
}

/** Objects as a YAML stream. */
export function manifest(objects: readonly KubeObject[]): string {
  return objects
    .map((object) => `---\n${stringify(object, { aliasDuplicateObjects: false, lineWidth: 120 })}`)
    .join('');
}

/** `deployment.apps/squall-controller`, as kubectl names it. */
export function nameOf({ apiVersion = '', kind = '', metadata }: KubeObject): string {
  const group = apiVersion.includes('/') ? `.${apiVersion.split('/')[0]}` : '';
  return `${kind.toLowerCase()}${group}/${metadata.name}`;
}

async function awaitWorkloads(client: Parameters<typeof untilReady>[0], objects: readonly KubeObject[], io: Io) {
  const workloads = objects.filter(({ kind }) => kind === 'Deployment' || kind === 'DaemonSet');
  io.stderr.write(`Waiting for ${workloads.map(nameOf).join(' and ')}\n`);
  for (const object of workloads) {
    await untilReady(client, object, new AbortController().signal).catch((error: Error) => {
      const namespace = object.metadata.namespace;
      throw new Error(`${error.message}\nSee: kubectl get pods -n ${namespace}; kubectl describe pods -n ${namespace}`);
    });
    io.stdout.write(`${nameOf(object)} ready\n`);
  }
}

function refused(object: KubeObject, error: unknown): never {
  if (!(error instanceof ApiError && error.isForbidden)) throw error;
  throw new UsageError(`${nameOf(object)}: ${error.message}. Installing takes the rights of a cluster admin`);
}
