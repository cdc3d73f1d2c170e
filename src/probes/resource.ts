import type { Expectation } from '../api/expectation.js';
import { defaulted, duration, type Infer, object, optional, string } from '../api/schema.js';
import { labelSelector, selectorText } from '../api/selector.js';
import { parseDuration } from '../stats/duration.js';
import { checkExpression } from './cel.js';
import { type ProbeProblem, probe, type ResourceQuery, type Sampler, type SamplerContext } from './probe.js';

const schema = object(
  "resource reads objects of the run's namespace, or one that has no namespace, and evaluates `expect.that` on them.",
  {
    apiVersion: string('apiVersion of the objects, such as `apps/v1`.', {
      max: 317,
      pattern: '^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[0-9a-z]+$',
    }),
    kind: string('kind of the objects, such as `Deployment`; not `Secret`.', {
      max: 63,
      pattern: '^[A-Z][A-Za-z0-9]*$',
    }),
    name: optional(
      string('name of the object, `object` in `expect.that`; when it is not there, the sample fails.', {
        max: 253,
        min: 1,
      }),
    ),
    selector: optional(
      labelSelector(
        'selector picks objects by their labels. They are `objects` in `expect.that`. With neither `name` nor `selector` these are all objects of the kind.',
      ),
    ),
    interval: defaulted(duration('interval between two samples, from 100ms to 1m. Default 1s.'), '1s'),
  },
  [{ rule: '!(has(self.name) && has(self.selector))', message: 'at most one of `name`, `selector` may be given' }],
);

/** The fields of a `resource` probe, with every default filled in. */
export type ResourceSpec = Infer<typeof schema>;

/** Why a kind may not be read, or undefined: what probes read ends up in messages that more people can see. */
export function whyUnreadable({ kind }: { kind: string }): string | undefined {
  return kind.toLowerCase() === 'secret' ? 'Secrets may not be read by probes' : undefined;
}

function check(spec: ResourceSpec, expect: Expectation): ProbeProblem[] {
  const interval = spec.interval === undefined ? undefined : parseDuration(spec.interval);
  const problems = [
    { path: ['resource', 'kind'], message: whyUnreadable(spec) },
    {
      path: ['resource', 'interval'],
      message: interval !== undefined && (interval < 100 || interval > 60_000) ? 'must be from 100ms to 1m' : undefined,
    },
    {
      path: ['expect', 'that'],
      message: expect?.that === undefined ? undefined : checkExpression(expect.that, variableOf(spec)),
    },
    ...latencyLimits.map((field) => ({
      path: ['expect', field],
      message:
        expect?.[field] === undefined ? undefined : 'may not be given with `resource`, whose samples have no latency',
    })),
  ];
  return problems.flatMap(({ path, message }) => (message === undefined ? [] : [{ path, message }]));
}

const latencyLimits = ['latencyP50', 'latencyP95', 'latencyP99'] as const;

function variableOf({ name }: { name?: string }): 'object' | 'objects' {
  return name === undefined ? 'objects' : 'object';
}

function sampler(spec: ResourceSpec, { namespace, expect, services }: SamplerContext): Sampler {
  const picked = spec.selector && selectorText(spec.selector);
  const query: ResourceQuery = {
    apiVersion: spec.apiVersion,
    kind: spec.kind,
    namespace,
    ...(spec.name !== undefined && { name: spec.name }),
    ...(picked && { labelSelector: picked }),
  };
  let reading = false;
  return {
    async sample() {
      if (reading) return { ok: false, own: true, detail: 'the read before this one is still under way' };
      reading = true;
      return await services.examineResource(query, expect.that).finally(() => {
        reading = false;
      });
    },
  };
}

/** Reads objects from the API server and evaluates an expression on them. */
export const resource = probe<ResourceSpec>({
  name: 'resource',
  summary: 'Reads any object or list of objects and evaluates a CEL expression on it.',
  schema,
  rules: [],
  example: {
    spec: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'checkout', interval: '1s' },
    expect: { that: 'object.status.availableReplicas >= 2' },
  },
  minimumSamples: 3,
  access: [
    "`get`, or `list` without a `name`, on the objects it reads, in the run's namespace; the service account of the run must be allowed to do the same.",
  ],
  reads: ({ apiVersion, kind, name }) => [{ apiVersion, kind, ...(name !== undefined && { name }) }],
  check,
  interval: ({ interval }) => parseDuration(interval),
  sampler,
});
