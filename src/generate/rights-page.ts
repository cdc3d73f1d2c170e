import { readableByProbes } from '../controller/needs.js';
import type { Fault } from '../faults/fault.js';
import type { Probe } from '../probes/probe.js';
import { faultLink, probeLink } from './catalogue-pages.js';
import { code, page, table } from './markdown.js';
import { injectRight, needText } from './right-words.js';

/** What the service account of an experiment must be allowed to do, by fault and probe. */
export function rightsPage(faults: readonly Fault[], probes: readonly Probe[]): string {
  return page('Rights', [
    'What the ServiceAccount of an experiment (`spec.serviceAccountName`) must be allowed to do by RBAC; see [authorization](../authorization.md). `squall plan` prints the Role for one experiment.',
    '## Faults',
    table(['fault', 'of', 'rights', 'where'], faults.flatMap(faultRows)),
    'Where a step names its targets with `names`, a rule with these `resourceNames` is enough for what is done to the targets themselves. A step on workloads needs the rights on its own `kind` only.',
    '## Probes',
    table(
      ['probe', 'rights', 'where'],
      probes.map((probe) => [
        `[${probe.name}](${probeLink(probe)})`,
        probe.reads ? '`get` on the object that is named, `list` on what it reads without a `name`' : 'none',
        probe.reads ? "the run's namespace; a ClusterRole for what has no namespace" : '',
      ]),
    ),
    'The controller reads for probes, so it must be allowed to as well. As installed these are:',
    readableByProbes.map(({ group, resource }) => resourceList(group, resource)).join('\n'),
  ]);
}

function faultRows(fault: Fault): string[][] {
  const link = `[${fault.name}](${faultLink(fault)})`;
  const beside = Object.keys(fault.companion?.(fault.example) ?? {}).map(
    (name) => `; and in the run's namespace ${injectRight({ name })}, if its fields ask for that`,
  );
  return fault.targets.map((kind) => {
    if (fault.by === 'Agent') return [link, kind, injectRight(fault), "the run's namespace"];
    const isLocal = kind === 'pods' || kind === 'workloads';
    const where = isLocal ? "the run's namespace" : 'all namespaces: a ClusterRole';
    return [link, kind, fault.needs.map(needText).join('; '), `${where}${beside.join('')}`];
  });
}

function resourceList(group: string, resources: string): string {
  return `- ${resources
    .split(',')
    .map((resource) => code(group ? `${resource}.${group}` : resource))
    .join(', ')}`;
}
