import type { JsonSchema } from '../api/schema.js';
import type { TargetKind } from '../api/targets.js';
import type { Fault } from '../faults/fault.js';

const template = {
  description: 'Shoppers can check out while half of the checkout pods are lost.',
  hypothesis: [
    {
      name: 'shoppers-check-out',
      http: { url: 'http://frontend.shop.svc/', rate: '20/s' },
      expect: { successRate: '>= 99%', latencyP95: '< 300ms' },
    },
    {
      name: 'checkout-available',
      resource: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'checkout' },
      expect: { that: 'object.status.availableReplicas >= 2' },
    },
  ],
  method: [
    {
      name: 'lose-half',
      podKill: { gracePeriod: '0s' },
      targets: { pods: { selector: { matchLabels: { app: 'checkout' } } }, percent: 50 },
    },
  ],
  safeguards: { maxTargets: 10, abortOn: ['shoppers-check-out'] },
  recovery: { within: '60s' },
};

const apiVersion = 'squall.dev/v1alpha1';

/** An object of each kind for the top of its page, by kind. */
export const kindExamples: Readonly<Record<string, object>> = {
  Experiment: {
    apiVersion,
    kind: 'Experiment',
    metadata: { name: 'checkout-survives-pod-loss', namespace: 'shop' },
    spec: template,
  },
  ExperimentRun: {
    apiVersion,
    kind: 'ExperimentRun',
    metadata: { name: 'checkout-survives-pod-loss-7012345', namespace: 'shop' },
    spec: {
      template: { method: template.method, hypothesis: template.hypothesis.slice(0, 1) },
      seed: 7012345,
      trigger: 'Manual',
    },
  },
  Injection: {
    apiVersion,
    kind: 'Injection',
    metadata: { name: 'checkout-survives-pod-loss-7012345-lose-half-0-0', namespace: 'squall-system' },
    spec: {
      run: {
        namespace: 'shop',
        name: 'checkout-survives-pod-loss-7012345',
        uid: '0b5e3c1c-8c0f-4f0e-9d3a-5a0d2c3b7e11',
      },
      step: 'lose-half',
      round: 0,
      part: 0,
      parts: 1,
      state: 'Apply',
      podKill: { gracePeriod: '0s' },
      targets: [{ namespace: 'shop', name: 'checkout-6d5f9c7b8-x2k4q', uid: '5f0a7f5e-3f57-4c4e-8a55-1f0f3f9d7c02' }],
    },
  },
  SafetyPolicy: {
    apiVersion,
    kind: 'SafetyPolicy',
    metadata: { name: 'platform' },
    spec: { protectedNamespaces: ['ingress', 'payments'] },
  },
};

const targetExamples: Readonly<Record<TargetKind, object>> = {
  pods: { selector: { matchLabels: { app: 'checkout' } } },
  nodes: { selector: { matchLabels: { pool: 'blue' } } },
  workloads: { kind: 'Deployment', names: ['checkout'] },
  zones: { names: ['europe-west2-a'] },
};

/** A step with a fault, as it stands in an Experiment. */
export function faultExample({ name, example, schema, oneShot, targets: [kind = 'pods'] }: Fault): object {
  const fault = {
    [name]: withoutDefaults(schema.json, example as object),
    targets: { [kind]: targetExamples[kind] },
    ...(!oneShot && { duration: '5m' }),
  };
  return {
    apiVersion,
    kind: 'Experiment',
    metadata: { name: 'example', namespace: 'shop' },
    spec: {
      method: [{ name: 'step', ...fault }],
    },
  };
}

/** A hypothesis with a probe, as it stands in an Experiment that loses one pod. */
export function probeExample(name: string, schema: JsonSchema, spec: object, expect: object): object {
  return {
    apiVersion,
    kind: 'Experiment',
    metadata: { name: 'example', namespace: 'shop' },
    spec: {
      hypothesis: [{ name: 'steady', [name]: withoutDefaults(schema, spec), expect }],
      method: [{ name: 'step', podKill: {}, targets: { pods: { selector: { matchLabels: { app: 'checkout' } } } } }],
    },
  };
}

/** Leaves out the fields that the API server would fill in with the same values: an example shows what one writes. */
function withoutDefaults(schema: JsonSchema, value: object): object {
  const written = Object.entries(value).filter(
    ([name, field]) => JSON.stringify(field) !== JSON.stringify(schema.properties?.[name]?.default),
  );
  return Object.fromEntries(written);
}
