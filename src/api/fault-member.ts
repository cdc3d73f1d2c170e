import type { Rule, Schema } from './schema.js';
import type { TargetKind } from './targets.js';

/** One entry of a union of plug-ins: the field's name and its schema. */
export interface Member {
  name: string;
  schema: Schema;
  /** Rules that relate the member's fields to those beside it. */
  rules?: Rule[];
}

/** One entry of the union of faults. */
export interface FaultMember extends Member {
  by: 'ApiServer' | 'Agent';
  oneShot: boolean;
  /** What it can be put on. */
  targets: readonly TargetKind[];
  /** Whether an ephemeral container can carry it out; only for faults of agents. */
  sidecar?: boolean;
}

/** Whether one of these fields is given, in CEL. */
function given(members: readonly Member[]): string {
  return members.length === 0 ? 'false' : `(${members.map(({ name }) => `has(self.${name})`).join(' || ')})`;
}

function listed(members: readonly Member[]): string {
  return members.map(({ name }) => `\`${name}\``).join(', ') || 'none there is yet';
}

/** Which of a step's own fields go with which faults. */
export function faultRules(faults: readonly FaultMember[]): Rule[] {
  const lasting = faults.filter(({ oneShot }) => !oneShot);
  const byAgents = faults.filter(({ by }) => by === 'Agent');
  const inSidecars = byAgents.filter(({ sidecar }) => sidecar);
  const lastingByAgents = byAgents.filter(({ oneShot }) => !oneShot);
  return [
    ...faults.map(({ name, targets: kinds }) => ({
      rule: `!has(self.${name}) || ${kinds.map((kind) => `has(self.targets.${kind})`).join(' || ')}`,
      message: `\`${name}\` is put on ${kinds.map((kind) => `\`targets.${kind}\``).join(' or ')}`,
      fieldPath: '.targets',
    })),
    {
      rule: `!${given(lasting)} || has(self.duration)`,
      message: `\`duration\` must be given with a fault that lasts until it is taken back: ${listed(lasting)}`,
    },
    {
      rule: `!has(self.agent) || ${given(byAgents)}`,
      message: `\`agent\` may only be given with a fault that agents carry out: ${listed(byAgents)}`,
    },
    {
      rule: `!has(self.agent) || self.agent != 'Sidecar' || ${given(inSidecars)}`,
      message: `\`agent: Sidecar\` may only be asked for with a fault that needs nothing but the pod's network: ${listed(inSidecars)}`,
    },
    {
      rule: `!has(self.onDrift) || ${given(lastingByAgents)}`,
      message: `\`onDrift\` may only be given with a fault that agents keep up: ${listed(lastingByAgents)}`,
    },
    {
      rule: `!has(self.targets.follow) || !self.targets.follow || ${given(lastingByAgents)}`,
      message: `\`follow\` may only be set with a fault that agents keep up: ${listed(lastingByAgents)}`,
      fieldPath: '.targets.follow',
    },
  ];
}
