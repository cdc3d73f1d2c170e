import { stringify } from 'yaml';
import type { Fault } from '../faults/fault.js';
import type { Probe } from '../probes/probe.js';
import { faultExample, probeExample } from './examples.js';
import { fieldTables } from './field-tables.js';
import { page, yamlBlock } from './markdown.js';
import { injectRight, needText } from './right-words.js';

/** Where the section of a fault is, from another reference page. */
export const faultLink = ({ name }: Fault) => `faults.md#${name.toLowerCase()}`;
/** Where the section of a probe is, from another reference page. */
export const probeLink = ({ name }: Probe) => `probes.md#${name.toLowerCase()}`;

/** The catalogue of faults: one section each, its example first. */
export function faultsPage(faults: readonly Fault[]): string {
  return page('Faults', [
    'A step of `spec.method` holds exactly one of these fields, and says with `targets` what it is applied to.',
    ...faults.flatMap(faultSection),
  ]);
}

function faultSection(fault: Fault): string[] {
  const ending = fault.oneShot
    ? 'It is over once it happened: there is nothing to take back.'
    : 'It is taken back when its `duration` is over, and whenever the run ends before that.';
  return [
    `## ${fault.name}`,
    `${fault.summary} ${ending}`,
    yamlBlock(stringify(faultExample(fault))),
    ...fieldTables(fault.schema.json, fault.name, '###'),
    ...conditionsOnNeighbours(fault.rules),
    ...carriedOutBy(fault),
  ];
}

function carriedOutBy(fault: Fault): string[] {
  const needed = 'What the service account of the run must be allowed to do:';
  if (fault.by === 'ApiServer') return [needed, fault.needs.map((need) => `- ${needText(need)}`).join('\n')];
  const who = fault.sidecar
    ? 'by the agent of its node, or by a sidecar: an ephemeral container in the pod'
    : 'by the agent of its node';
  return [`Carried out inside of each target, ${who}.`, needed, `- ${injectRight(fault)}`];
}

/** The catalogue of probes: one section each, its example first. */
export function probesPage(probes: readonly Probe[]): string {
  return page('Probes', [
    'An entry of `spec.hypothesis` holds exactly one of these fields, and says with `expect` what must hold of its samples.',
    ...probes.flatMap(probeSection),
  ]);
}

function probeSection(probe: Probe): string[] {
  const { spec, expect } = probe.example;
  return [
    `## ${probe.name}`,
    `${probe.summary} A stage is judged from ${probe.minimumSamples} samples on, unless \`minSamples\` says otherwise.`,
    yamlBlock(stringify(probeExample(probe.name, probe.schema.json, spec as object, expect))),
    ...fieldTables(probe.schema.json, probe.name, '###'),
    ...conditionsOnNeighbours(probe.rules),
    'What the controller must be allowed to do:',
    probe.access.map((sentence) => `- ${sentence}`).join('\n'),
  ];
}

function conditionsOnNeighbours(rules: readonly { message: string }[]): string[] {
  if (rules.length === 0) return [];
  return ['With the fields beside it:', rules.map(({ message }) => `- ${message}`).join('\n')];
}
