import { stat } from 'node:fs/promises';
import type { ExperimentSpec } from '../api/experiment.js';
import { ANNOTATION_FILE } from '../api/labels.js';
import { experiments } from '../controller/resources.js';
import { inherited } from '../domain/schedule/run-object.js';
import type { Client } from '../kubernetes/client.js';
import { ApiError } from '../kubernetes/errors.js';
import type { KubeObject, ObjectMeta } from '../kubernetes/resource.js';
import { UsageError } from './io.js';
import { type Manifest, readManifests } from './manifest/manifests.js';
import { formatProblem } from './manifest/problem.js';

/** A run to be created, and the name people know it by. */
export interface PlannedRun {
  title: string;
  object: KubeObject;
}

/** What to run: files and folders, or names and labels of Experiments in the cluster. */
export interface RunSource {
  arguments: readonly string[];
  namespace: string | undefined;
  selector?: string;
  allNamespaces?: boolean;
  seed?: number;
}

/** Splits arguments into those that are files or folders and those that are names in the cluster. */
export async function splitArguments(given: readonly string[]): Promise<{ paths: string[]; names: string[] }> {
  const paths: string[] = [];
  const names: string[] = [];
  for (const each of given) {
    const exists =
      each === '-' ||
      (await stat(each).then(
        () => true,
        () => false,
      ));
    const looksLikeFile = /[./\\]/.test(each);
    if (exists || looksLikeFile) paths.push(each);
    else names.push(each);
  }
  return { paths, names };
}

/**
 * Reads runs from manifests: an Experiment becomes a run of it, an ExperimentRun is taken as it is.
 *
 * @throws UsageError that lists every problem, when there is one, or when there is nothing to run
 */
export async function runsFromFiles(
  paths: readonly string[],
  { namespace, seed }: RunSource,
  fallback: string,
): Promise<PlannedRun[]> {
  const { documents, problems } = await readManifests(paths);
  if (problems.length > 0) throw new UsageError(problems.map(formatProblem).join('\n'));
  const runs = documents.flatMap((document) => runOf(document, namespace, fallback, seed));
  if (runs.length === 0)
    throw new UsageError(`${paths.join(', ')}: there is no Experiment and no ExperimentRun to run`);
  return runs;
}

function runOf(
  { file, line, object }: Manifest,
  wanted: string | undefined,
  fallback: string,
  seed: number | undefined,
): PlannedRun[] {
  const metadata = object.metadata as ObjectMeta;
  if (wanted !== undefined && metadata.namespace !== undefined && metadata.namespace !== wanted) {
    throw new UsageError(
      `${file}:${line}: ${object.kind} '${metadata.name}' is in namespace '${metadata.namespace}', and --namespace says '${wanted}'`,
    );
  }
  const namespace = metadata.namespace ?? wanted ?? fallback;
  if (object.kind === 'ExperimentRun') {
    const spec = { ...object.spec, ...(seed !== undefined && { seed }) };
    return [{ title: metadata.name ?? '', object: { ...object, metadata: { ...metadata, namespace }, spec } }];
  }
  if (object.kind !== 'Experiment') return [];
  return [planRun({ ...metadata, namespace }, object.spec, { seed, file })];
}

/**
 * Makes runs of Experiments that are in the cluster, by name or by label.
 *
 * @throws UsageError when one is not there
 */
export async function runsFromCluster(
  client: Client,
  names: readonly string[],
  source: RunSource,
  fallback: string,
): Promise<PlannedRun[]> {
  const namespace = source.namespace ?? fallback;
  const found: KubeObject[] = [];
  for (const name of names) found.push(await readExperiment(client, namespace, name));
  if (source.selector !== undefined || source.allNamespaces) {
    const where = source.allNamespaces ? {} : { namespace };
    for await (const page of client.listAll(experiments, { ...where, labelSelector: source.selector }))
      found.push(...page.items);
    if (found.length === 0)
      throw new UsageError('no Experiment matches: see `kubectl get experiments -A --show-labels`');
  }
  return found.map(({ metadata, spec }) => planRun(metadata, spec, { seed: source.seed }));
}

async function readExperiment(client: Client, namespace: string, name: string): Promise<KubeObject> {
  try {
    return await client.get(experiments, namespace, name);
  } catch (error) {
    if (!(error instanceof ApiError && error.isNotFound)) throw error;
    const near = (await client.list(experiments, { namespace, limit: 50 })).items.map(({ metadata }) => metadata.name);
    const hint = near.length > 0 ? `there are: ${near.join(', ')}` : 'there is none; a file is named by its path';
    throw new UsageError(`no Experiment '${name}' in namespace '${namespace}' and no such file: ${hint}`);
  }
}

function planRun(
  { name = '', namespace = '', labels, annotations }: ObjectMeta,
  template: ExperimentSpec,
  { seed, file }: { seed?: number | undefined; file?: string },
): PlannedRun {
  const own = inherited({ name, ...(labels && { labels }), ...(annotations && { annotations }) });
  return {
    title: name,
    object: {
      apiVersion: 'squall.dev/v1alpha1',
      kind: 'ExperimentRun',
      metadata: {
        generateName: `${name}-`,
        namespace,
        labels: own.labels,
        annotations: { ...(file && { [ANNOTATION_FILE]: file }), ...own.annotations },
      },
      spec: { template, trigger: 'Command', ...(seed !== undefined && { seed }) },
    },
  };
}
