import type { Readable } from 'node:stream';
import type { ExperimentSpec } from '../../api/experiment.js';
import type { Kind } from '../../api/kind.js';
import { DEFAULT_NAMESPACE } from '../../api/labels.js';
import { kinds } from '../../catalogue.js';
import { seedOf } from '../../domain/draw.js';
import { withCompanions } from '../../faults/companions.js';
import { type ClusterOptions, connect } from '../connect.js';
import { exitCodes, type Io, UsageError } from '../io.js';
import { withDefaults } from '../manifest/check.js';
import { type Manifest, readManifests } from '../manifest/manifests.js';
import { formatProblem } from '../manifest/problem.js';
import { dim } from '../text.js';
import { liveRights, type PlanRights, storedRights } from './authorization.js';
import type { Contents } from './contents.js';
import { planMarkdown } from './markdown.js';
import type { PlannedExperiment } from './observed.js';
import { type Plan, Planner } from './plan.js';
import { readContents } from './read.js';
import { readSnapshot } from './read-snapshot.js';
import { planText } from './text.js';

/** The options of `squall plan`. */
export interface PlanOptions extends ClusterOptions {
  output?: 'wide' | 'json' | 'markdown';
  /** A file that `squall snapshot` has written; undefined: the live cluster. */
  snapshot?: string;
  seed?: number;
}

/**
 * `squall plan FILE|DIR…`: says what runs of experiments would do, and touches nothing.
 *
 * @returns the exit code: 0 when all would run, 3 when one would be refused
 * @throws UsageError for what can't be read, and for problems in the manifests
 */
export async function planCommand(paths: readonly string[], options: PlanOptions, io: Io): Promise<number> {
  const manifests = await experimentsIn(paths, options, io.stdin);
  const plans = options.snapshot
    ? plansFromSnapshot(manifests, await readSnapshot(options.snapshot, io.stdin), options)
    : await plansFromCluster(manifests, options, io);
  write(plans, options, io);
  return plans.some(({ outcome }) => outcome === 'Refused') ? exitCodes.Inconclusive : exitCodes.Passed;
}

async function experimentsIn(
  paths: readonly string[],
  { namespace, snapshot }: PlanOptions,
  stdin: Readable | undefined,
): Promise<Manifest[]> {
  if (snapshot === '-' && paths.includes('-')) throw new UsageError('- can be the snapshot or the manifest, not both');
  const { documents, problems } = await readManifests(paths, stdin);
  if (problems.length > 0) throw new UsageError(problems.map(formatProblem).join('\n'));
  const found = documents.filter(({ object }) => object.kind === 'Experiment' || object.kind === 'ExperimentRun');
  if (found.length === 0)
    throw new UsageError(`${paths.join(', ')}: there is no Experiment and no ExperimentRun to make a plan for`);
  for (const { file, line, object } of found) {
    const own = object.metadata.namespace;
    if (namespace === undefined || own === undefined || own === namespace) continue;
    throw new UsageError(
      `${file}:${line}: ${object.kind} '${object.metadata.name}' is in namespace '${own}', and --namespace says '${namespace}'`,
    );
  }
  return found;
}

function plansFromSnapshot(manifests: readonly Manifest[], contents: Contents, options: PlanOptions): Plan[] {
  const planner = new Planner(contents);
  const fallback = options.namespace ?? contents.namespaces?.[0] ?? 'default';
  return manifests.map((manifest) => {
    const experiment = experimentOf(manifest, fallback, options.seed);
    if (contents.namespaces && !contents.namespaces.includes(experiment.namespace))
      throw new UsageError(
        `${options.snapshot} holds namespace ${contents.namespaces.join(', ')} only, and ${experiment.name} is of ${experiment.namespace}: take another with -n ${experiment.namespace}, or without -n`,
      );
    return planner.plan(experiment, storedRights(contents, experiment.namespace, experiment.spec));
  });
}

async function plansFromCluster(manifests: readonly Manifest[], options: PlanOptions, io: Io): Promise<Plan[]> {
  const connection = await connect(
    { ...options, systemNamespace: options.systemNamespace ?? DEFAULT_NAMESPACE },
    'plan',
  );
  const { client, systemNamespace } = connection;
  try {
    const experiments = manifests.map((manifest) => experimentOf(manifest, connection.namespace, options.seed));
    io.stderr.write(`${dim(`Reading ${connection.cluster.server}; nothing is touched`, io.color)}\n`);
    const namespaces = experiments.some(({ spec }) => reachesNodes(spec))
      ? undefined
      : [...new Set(experiments.map(({ namespace }) => namespace))];
    const contents = await readContents({ client, systemNamespace, namespaces }, (line) =>
      io.stderr.write(`${line}\n`),
    );
    const planner = new Planner(contents);
    const plans: Plan[] = [];
    for (const experiment of experiments) {
      const rights: PlanRights = await liveRights(client, contents, experiment.namespace, experiment.spec);
      plans.push(planner.plan(experiment, rights));
    }
    return plans;
  } finally {
    connection.close();
  }
}

/** What is done to a node is done to the pods of every namespace that are there. */
function reachesNodes({ method }: ExperimentSpec): boolean {
  return method.some(({ targets }) => targets.nodes !== undefined || targets.zones !== undefined);
}

function experimentOf({ object }: Manifest, fallback: string, seed: number | undefined): PlannedExperiment {
  const ours = kinds.find(({ kind }) => kind === object.kind) as Kind;
  const { kind, metadata, spec } = withDefaults(object, ours) as Manifest['object'];
  const namespace = metadata.namespace ?? fallback;
  const name = metadata.name ?? metadata.generateName;
  const own = kind === 'ExperimentRun' ? spec.seed : undefined;
  const template = (kind === 'ExperimentRun' ? spec.template : spec) as ExperimentSpec;
  return {
    namespace,
    name,
    spec: { ...template, method: withCompanions(template.method) },
    // The UID of a future run is not known, so any seed is as good as another; this one stays the same.
    seed: seed ?? own ?? seedOf(`${namespace}/${name}`),
  };
}

function write(plans: readonly Plan[], { output }: PlanOptions, io: Io): void {
  if (output === 'json') {
    io.stdout.write(`${JSON.stringify(plans, null, 2)}\n`);
    return;
  }
  const { color } = io;
  const texts =
    output === 'markdown'
      ? plans.map(planMarkdown)
      : plans.map((plan) => planText(plan, { color, width: io.width, wide: output === 'wide' }));
  io.stdout.write(`${texts.join(output === 'markdown' ? '\n\n' : '\n\n\n')}\n`);
}
