import type { ExperimentSpec } from '../../api/experiment.js';
import type { ExperimentRun } from '../../api/experiment-run.js';
import type { Injection } from '../../api/injection.js';
import { API_VERSION } from '../../api/labels.js';
import type { SafetyPolicy } from '../../api/safety-policy.js';
import { checkExperiment, problemText } from '../../catalogue.js';
import type { Context } from '../../controller/context.js';
import { factsOf, halts } from '../../controller/gather.js';
import { projectRun } from '../../controller/projections.js';
import { Ledger, type LedgerCaches } from '../../controller/safeguards/ledger.js';
import { Protection, policiesOf } from '../../controller/safeguards/protection.js';
import {
  disruptionBudget,
  replicasOf,
  surveyedPod,
  workloadFacts,
} from '../../controller/safeguards/safeguard-facts.js';
import type { RunObserved } from '../../domain/observed.js';
import { LabelIndex } from '../../domain/plan/label-index.js';
import type { Survey } from '../../domain/survey.js';
import type { PlanAgents } from './agents.js';
import type { PlanRights } from './authorization.js';
import type { PlanCandidates } from './candidates.js';
import type { Contents } from './contents.js';
import { Owners } from './owners.js';

/** The UID of a run that is only thought of. */
const NO_UID = '00000000-0000-0000-0000-000000000000';
const LABEL_ZONE = 'topology.kubernetes.io/zone';

/** An experiment to make a plan for. */
export interface PlannedExperiment {
  namespace: string;
  name: string;
  /** With all defaults. */
  spec: ExperimentSpec;
  seed: number;
}

/** What the controller would know of a cluster, from what was read: as much of it as a plan asks for. */
export class PlanKnowledge {
  readonly #context: Pick<Context, 'caches' | 'namespace'>;
  readonly #protections = new Map<string, Protection>();
  readonly #ledger: Ledger;
  readonly #survey: Omit<Survey, 'missing' | 'namespaceLabels'>;

  constructor(readonly contents: Contents) {
    const policies = contents.list('policies') as unknown as SafetyPolicy[];
    // The caches of a controller, as far as anything asks them here.
    const caches = {
      policies: { list: () => policies },
      injections: { list: () => contents.list('injections') as unknown as Injection[] },
      runs: {
        get: (namespace: string, name: string) => {
          const run = contents.in('runs', namespace).find(({ metadata }) => metadata.name === name);
          return run && projectRun(run);
        },
      },
    };
    this.#context = { caches: caches as unknown as Context['caches'], namespace: contents.systemNamespace };
    this.#ledger = new Ledger(caches as unknown as LedgerCaches);
    this.#survey = {
      at: contents.readAt,
      policies: policiesOf(this.#context),
      ...countedFrom(contents),
    };
  }

  /** Says of what is in a namespace whether it must not be hit. */
  protectionIn(namespace: string): Protection {
    const known = this.#protections.get(namespace);
    if (known) return known;
    const protection = new Protection(this.#context, { name: namespace, labels: this.#labelsOf(namespace) });
    this.#protections.set(namespace, protection);
    return protection;
  }

  /** All that a run would look at that started now. */
  observed(
    { namespace, name, spec, seed }: PlannedExperiment,
    { candidates, agents, rights }: { candidates: PlanCandidates; agents: PlanAgents; rights: PlanRights },
  ): RunObserved {
    const labels = this.#labelsOf(namespace);
    const protection = this.protectionIn(namespace);
    const { method } = spec;
    const byStep = <T>(of: (step: (typeof method)[number]) => T) =>
      Object.fromEntries(method.map((step) => [step.name, of(step)]));
    return {
      run: runOf(namespace, name, spec, seed),
      facts: byStep(factsOf),
      problems: checkExperiment(spec, []).map(problemText),
      halts: halts(this.#context as Context),
      candidates: byStep(({ targets }) =>
        candidates.of(targets, namespace).map((candidate) => protection.mark(candidate)),
      ),
      spareNodes: byStep(({ targets }) => candidates.spareNodes(targets)),
      injections: [],
      nodes: agents.factsFor(method, namespace),
      survey: { ...this.#survey, ...rights.survey, namespaceLabels: labels },
      reservations: this.#ledger.others(NO_UID),
      windows: {},
    };
  }

  #labelsOf(namespace: string): Record<string, string> {
    return this.contents.list('namespaces').find(({ metadata }) => metadata.name === namespace)?.metadata.labels ?? {};
  }
}

function runOf(namespace: string, name: string, template: ExperimentSpec, seed: number): ExperimentRun {
  return {
    apiVersion: API_VERSION,
    kind: 'ExperimentRun',
    metadata: { namespace, name, uid: NO_UID } as ExperimentRun['metadata'],
    spec: { template, seed, trigger: 'Manual' },
  };
}

function countedFrom(contents: Contents): Pick<Survey, 'disruptionBudgets' | 'workloads' | 'pods' | 'zones'> {
  const pods = contents
    .list('pods')
    .map(surveyedPod)
    .filter((pod) => pod !== undefined);
  const index = new LabelIndex(pods);
  const replicas = new Map(
    new Owners(contents)
      .workloads()
      .map(({ name, object }) => [`${object.metadata.namespace}/${name}`, replicasOf(object)]),
  );
  return {
    disruptionBudgets: contents.list('disruptionBudgets').map((budget) => {
      const { selector } = budget.spec ?? {};
      return disruptionBudget(budget, selector ? index.picked(budget.metadata.namespace ?? '', selector) : []);
    }),
    workloads: workloadFacts(pods, replicas),
    pods,
    zones: new Map(
      contents.list('nodes').flatMap(({ metadata }) => {
        const zone = metadata.labels?.[LABEL_ZONE];
        return zone === undefined ? [] : [[metadata.name ?? '', zone] as const];
      }),
    ),
  };
}
