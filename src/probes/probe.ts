import type { Expectation } from '../api/expectation.js';
import type { Rule, Schema } from '../api/schema.js';
import type { Sample } from '../stats/window.js';
import type { AddressPolicy } from './address-policy.js';

/** What one look found: a sample without its time, or with the time of the look when that is not the intended one. */
export type Outcome = Omit<Sample, 'at'> & { at?: number };

/** Something wrong with a probe that its schema can't say. `path` starts in the hypothesis entry: `['http', 'url']`. */
export interface ProbeProblem {
  path: (string | number)[];
  message: string;
}

/** Which object(s) of the run's namespace to read. */
export interface ResourceQuery {
  /** Such as `apps/v1`. */
  apiVersion: string;
  kind: string;
  namespace: string;
  /** The object's name; left out, a list is read. */
  name?: string;
  /** For a list: as the API server takes it, such as `app=shop,tier in (a,b)`; left out, all objects of the kind. */
  labelSelector?: string;
}

/** An object that a probe reads, or all of a kind; in the run's namespace if the kind has namespaces. */
export type Reading = Pick<ResourceQuery, 'apiVersion' | 'kind' | 'name'>;

/** Where a Service can be reached. */
export interface ServiceAddress {
  /** The cluster IP, or the addresses of the ready endpoints of a headless Service; empty when there are none. */
  addresses: string[];
  /** For a headless Service: the container port behind each service port. */
  ports?: Record<number, number>;
}

/** What samplers ask of the rest of the system. */
export interface Services {
  /** The address of a Service; undefined when there is no such Service. Rejects when nobody could say. */
  resolveService(namespace: string, name: string): Promise<ServiceAddress | undefined>;
  /** Reads objects and evaluates an expression on them, in limited time; left out, they only have to be there. */
  examineResource(query: ResourceQuery, expression: string | undefined): Promise<Outcome>;
}

/** What a sampler works with. */
export interface SamplerContext {
  /** The run's namespace. */
  namespace: string;
  expect: Expectation;
  services: Services;
  policy: AddressPolicy;
  /** Milliseconds on the clock of the samples. */
  now(): number;
}

/** Takes the samples of one probe. */
export interface Sampler {
  /** What can be done before the first sample, so that it isn't charged for it. Failures show in the samples. */
  prepare?(): Promise<void>;
  /** Takes one sample that was to be sent at `intendedAt`. Always answers, within the probe's own time limit. */
  sample(intendedAt: number): Promise<Outcome>;
}

/** One kind of probe: all that is known of it stands in its own file. */
export interface Probe<Spec = unknown> {
  /** The field of a hypothesis entry that asks for it, such as `http`. */
  name: string;
  /** One line for the catalogue. */
  summary: string;
  schema: Schema<Spec>;
  /** Rules on the hypothesis entry that relate the probe's fields to those beside it. */
  rules: Rule[];
  /** A hypothesis entry for the documentation and the contract suite. */
  example: { spec: Spec; expect: Expectation };
  /** How many samples a stage needs before it is judged, unless the entry says otherwise. */
  minimumSamples: number;
  /** What the controller must be allowed to do for it, one sentence each. */
  access: string[];
  /** What it reads, which the service account of the run must be allowed to read too; left out: nothing. */
  reads?(spec: Spec): Reading[];
  /** What the schema can't say; the defaults may still be missing in `spec`. */
  check?(spec: Spec, expect: Expectation): ProbeProblem[];
  /** Milliseconds between two samples. */
  interval(spec: Spec): number;
  /** Makes the sampler; runs in a worker thread. */
  sampler(spec: Spec, context: SamplerContext): Sampler;
}

/** Checks that the parts of a probe fit together, and forgets the type of its fields. */
export function probe<Spec>(definition: Probe<Spec>): Probe {
  return definition as Probe;
}
