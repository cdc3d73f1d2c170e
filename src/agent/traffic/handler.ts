import type { Evidence } from '../../api/injection.js';
import type { Traffic } from '../../faults/step.js';
import { type Handler, type Inputs, RefusedError } from '../handler.js';
import type { Place } from '../place.js';
import { exclusively } from './exclusively.js';
import { hold } from './hold.js';
import {
  batch,
  evidenceIn,
  hasDevice,
  listTable,
  nft,
  ProgramError,
  type Queueing,
  queueingOf,
  tablesOf,
} from './kernel.js';
import { createScript, familiesOf, GATE_SECONDS } from './nft.js';
import { isSharedRoot, planOf, ROOT_HANDLE, type TrafficPlan, type TrafficUndo, usesIfb, usesRoot } from './plan.js';
import { checkOthers, checkRoot, survey } from './survey.js';
import { addEgress, addIngress, addRoot } from './tc.js';

/** The handler of `traffic` steps: nft chooses the packets, HTB, netem and a token bucket do to them what is wanted. */
export const trafficHandler = createTrafficHandler();

/** A handler whose effects end by themselves after another time without `hold` than the usual 30 s. */
export function createTrafficHandler(gateSeconds = GATE_SECONDS): Handler<Traffic, TrafficUndo> {
  return {
    prepare: (step, place, id, inputs) => survey(step, place, id, inputs),
    apply: (undo, place, inputs) =>
      exclusively(place.networkNamespace, () => apply(planOf(undo), place, inputs, gateSeconds)),
    hold: (undo, place, inputs) => hold(planOf(undo), place, inputs, gateSeconds),
    revert: (undo, place) => exclusively(place.networkNamespace, () => revert(planOf(undo), place)),
  };
}

/** Qdiscs first: the rules that send packets there come last, and in one transaction. */
async function apply(plan: TrafficPlan, place: Place, inputs: Inputs, gateSeconds: number): Promise<void> {
  const script = createScript(plan, inputs, gateSeconds);
  try {
    // Another one may have been put on since this one was prepared.
    await checkOthers(place, plan, inputs);
    if (usesIfb(plan)) await makeIfb(plan, place);
    if (usesRoot(plan)) await makeClasses(plan, place);
    await nft(place, script);
  } catch (error) {
    if (error instanceof ProgramError) throw new RefusedError(explained(error), { cause: error });
    throw error;
  }
}

function explained({ message }: ProgramError): string {
  if (message.includes('cannot mix duplicating netems'))
    return `${message} (the kernel takes a fault with \`duplicate\` only where no other fault delays, loses or changes packets of the same pod and direction: put them into one step, or one after the other)`;
  if (!message.includes('qdisc kind is unknown') && !message.includes('qdisc not found')) return message;
  return `${message} (the node's kernel lacks one of the modules sch_htb, sch_tbf, sch_netem)`;
}

async function makeIfb(plan: TrafficPlan, place: Place): Promise<void> {
  const { ifb } = plan;
  const remove = (await hasDevice(place, ifb)) ? [['link', 'delete', ifb]] : [];
  await batch(place, 'ip', [
    ...remove,
    ['link', 'add', ifb, 'mtu', String(plan.mtu), 'type', 'ifb'],
    // Without an address of its own it sends nothing itself.
    ['link', 'set', ifb, 'addrgenmode', 'none', 'up'],
  ]);
  await batch(place, 'tc', addIngress(plan));
}

async function makeClasses(plan: TrafficPlan, place: Place): Promise<void> {
  const [found] = (await queueingOf(place, [plan.device])) ?? [];
  checkRoot(plan, found);
  const root = found && isSharedRoot(found.root) ? [] : [addRoot(plan.device)];
  const classes = found ? ownClasses(plan, found) : [];
  await batch(place, 'tc', [...classes.map((id) => deleteClass(plan, id)), ...root, ...addEgress(plan)]);
}

/** How many classes there are under the shared root, of all faults together. */
function faultsOn({ classes }: Queueing): number {
  return classes.filter((line) => line.startsWith(`class htb ${ROOT_HANDLE}`)).length;
}

function ownClasses(plan: TrafficPlan, { classes }: Queueing): string[] {
  return [plan.shapeClass, plan.dropClass].filter((id) => classes.some((line) => line.startsWith(`class htb ${id} `)));
}

function deleteClass({ device }: TrafficPlan, id: string): string[] {
  return ['class', 'delete', 'dev', device, 'classid', id];
}

async function revert(plan: TrafficPlan, place: Place): Promise<Evidence> {
  const listings: string[] = [];
  for (const family of familiesOf(plan)) listings.push((await listTable(place, family, plan.table)) ?? '');
  const listing = listings.join('');
  // Added first, so that it is no mistake when it is not there.
  const removals = familiesOf(plan).flatMap((family) =>
    ['add', 'delete'].map((verb) => `${verb} table ${family} ${plan.table}\n`),
  );
  await nft(place, removals.join(''));
  if (usesRoot(plan)) await removeClasses(plan, place);
  if (usesIfb(plan) && (await hasDevice(place, plan.ifb))) await batch(place, 'ip', [['link', 'delete', plan.ifb]]);
  await proveGone(plan, place);
  return listing === '' ? {} : evidenceIn(listing);
}

async function removeClasses(plan: TrafficPlan, place: Place): Promise<void> {
  const [found] = (await queueingOf(place, [plan.device])) ?? [];
  if (!found || !isSharedRoot(found.root)) return;
  const own = ownClasses(plan, found);
  const removals =
    faultsOn(found) > own.length
      ? own.map((id) => deleteClass(plan, id))
      : [['qdisc', 'delete', 'dev', plan.device, 'root', 'handle', ROOT_HANDLE]];
  if (removals.length > 0) await batch(place, 'tc', removals);
}

/** Throws an Error that names what is left. */
async function proveGone(plan: TrafficPlan, place: Place): Promise<void> {
  const left = (await tablesOf(place))
    .filter(({ name }) => name === plan.table)
    .map(({ family, name }) => `the nft table ${family} ${name}`);
  if (usesIfb(plan) && (await hasDevice(place, plan.ifb))) left.push(`the device ${plan.ifb}`);
  if (usesRoot(plan)) {
    const [found] = (await queueingOf(place, [plan.device])) ?? [];
    if (found && isSharedRoot(found.root)) {
      left.push(...ownClasses(plan, found).map((id) => `the class ${id} of ${plan.device}`));
      if (faultsOn(found) === 0) left.push(`the root qdisc ${ROOT_HANDLE} of ${plan.device}`);
    }
  }
  if (left.length > 0) throw new Error(`still there after it was taken away: ${left.join(', ')}`);
}
