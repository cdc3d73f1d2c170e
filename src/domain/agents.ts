import type { Step } from '../api/experiment.js';
import type { Agent, Injection } from '../api/injection.js';
import type { Reason } from '../api/reasons.js';
import { type RunDraft, shortened } from './draft.js';
import type { Candidate, NodeFacts } from './observed.js';
import { isClean } from './progress.js';

/** An agent that has not renewed its Lease for this long is not there. */
export const AGENT_SILENT_MILLISECONDS = 40_000;
/** Before a fault is put on, what is known of its nodes must not be older than this. */
export const FRESH_MILLISECONDS = 15_000;

const MAX_NAMED = 3;

/** A pod, and who is to put the fault on it; without `agent` the controller does, through the API server. */
export interface Carried {
  pod: Candidate;
  agent?: Agent;
  bootId?: string;
}

/** Why nobody can put a fault on a pod. */
export interface Refusal {
  reason: Extract<Reason, 'AgentMissing' | 'NotSupported'>;
  why: string;
}

/** Why the agent of a node counts as missing, in words; undefined: it was alive when its Lease was read. */
export function silence(node: string, { renewedAt, readAt }: NodeFacts): string | undefined {
  if (renewedAt === undefined) return `no agent runs on node ${node}`;
  const silent = readAt - renewedAt;
  if (silent < AGENT_SILENT_MILLISECONDS) return undefined;
  return `the agent of node ${node} has not been heard of for ${Math.round(silent / 1000)}s`;
}

/** Who carries a step's fault to a pod: whom the step asks for, or the node's agent where it can and else a sidecar. */
export function chooseAgent(step: Step, pod: Candidate, node: NodeFacts): { agent: Agent } | Refusal {
  const missing = silence(pod.node, node);
  const unable = missing ?? prefixed(`node ${pod.node}: `, node.refusals[step.name]);
  if (step.agent !== 'Sidecar' && unable === undefined) return { agent: 'Node' };
  const noSidecar = pod.sidecarRefusal ?? node.sidecarRefusals[step.name];
  if (step.agent !== 'Node' && noSidecar === undefined) return { agent: 'Sidecar' };
  const inSidecar = `pod ${pod.name}: ${noSidecar}`;
  if (step.agent === 'Sidecar') return { reason: 'NotSupported', why: inSidecar };
  const hint = missing
    ? `; ${node.hint ?? 'see whether the DaemonSet of the agents runs there and tolerates its taints'}`
    : '';
  const isSame = step.agent === 'Node' || noSidecar === node.refusals[step.name];
  const alternative = isSame ? '' : `; and as a sidecar, ${inSidecar}`;
  return { reason: missing ? 'AgentMissing' : 'NotSupported', why: `${unable}${hint}${alternative}` };
}

function prefixed(prefix: string, text: string | undefined): string | undefined {
  return text === undefined ? undefined : `${prefix}${text}`;
}

/**
 * Who carries a step's fault to these pods, and why nobody can to the others. Asks for what is not known of their nodes.
 *
 * @returns undefined while something has still to be known of the first `wanted` that may be carried
 */
export function carry(
  draft: RunDraft,
  step: Step,
  pods: readonly Candidate[],
  wanted = pods.length,
): { carried: Carried[]; refused: Refusal[] } | undefined {
  if (draft.facts(step).by === 'ApiServer') {
    return { carried: pods.slice(0, wanted).map((pod) => ({ pod })), refused: [] };
  }
  const carried: Carried[] = [];
  const refused: Refusal[] = [];
  let unknown = 0;
  for (const pod of pods) {
    if (carried.length + unknown >= wanted) break;
    const facts = draft.nodeFacts(pod.node);
    if (!facts || draft.now - facts.readAt > FRESH_MILLISECONDS) {
      unknown += 1;
      continue;
    }
    const choice = chooseAgent(step, pod, facts);
    if ('reason' in choice) refused.push(choice);
    else carried.push({ pod, ...choice, ...bootOf(choice.agent, facts) });
  }
  return unknown > 0 ? undefined : { carried, refused };
}

/** Only agents of nodes see to it that nothing is put on in another boot than the one it was meant for. */
function bootOf(agent: Agent, { bootId }: NodeFacts): { bootId?: string } {
  return agent === 'Node' && bootId !== undefined ? { bootId } : {};
}

/** Says of a step why nobody can put its fault on some of its targets: each reason once, and not too many of them. */
export function wordsOf(refused: readonly Refusal[]): string {
  const reasons = [...new Set(refused.map(({ why }) => why))];
  const named = reasons.slice(0, MAX_NAMED).join('; ');
  return reasons.length > MAX_NAMED ? `${named}; and ${reasons.length - MAX_NAMED} more` : named;
}

/**
 * Looks after the agents that faults of this run depend on: one that took its fault back by itself, or is not there any
 * more, ends the run. Before the revert has begun a missing agent is a reason of its own; after that it shows in what
 * can't be proven.
 */
export function findAgentTrouble(draft: RunDraft): void {
  for (const injection of draft.observed.injections) {
    const { agent, node = '', step } = injection.spec;
    if (agent === undefined) continue;
    const ended = injection.status?.ended;
    if (ended && !draft.found(ended.reason)) {
      draft.find(
        ended.reason,
        `Step '${step}' was ended by ${agent === 'Node' ? 'the agent of' : 'a sidecar on'} node ${node}: ${shortened(ended.message, 256)}`,
      );
    }
    if (agent === 'Node' && !isClean(injection, draft.facts({ name: step }).oneShot))
      findMissing(draft, injection, node);
  }
}

function findMissing(draft: RunDraft, { spec }: Injection, node: string): void {
  const facts = draft.nodeFacts(node);
  const missing = facts && silence(node, facts);
  if (!missing || spec.state === 'Pending' || draft.condition('Reverted') || draft.found('AgentMissing')) return;
  draft.find('AgentMissing', `Step '${spec.step}' has lost an agent: ${missing}`);
}
