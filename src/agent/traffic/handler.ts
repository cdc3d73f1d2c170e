import type { Evidence } from '../../api/injection.js';
import type { Traffic } from '../../faults/step.js';
import { type Handler, type Inputs, RefusedError, type Sighting } from '../handler.js';
import type { Place } from '../place.js';
import { exclusively } from './exclusively.js';
import {
  batch,
  countersIn,
  hasDevice,
  nft,
  ProgramError,
  type Queueing,
  queueingOf,
  steadyListing,
  tablesOf,
} from './kernel.js';
import {
  countElements,
  createScript,
  digestOf,
  familiesOf,
  GATE_SECONDS,
  inputsDigest,
  type Marker,
  markerName,
  refreshScript,
  updateScript,
} from './nft.js';
import { planOf, ROOT_HANDLE, type TrafficPlan, type TrafficUndo, usesIfb, usesRoot } from './plan.js';
import { checkRoot, survey } from './survey.js';
import { addEgress, addIngress, addRoot } from './tc.js';

/** Sets with more elements than this are not compared with what they were: it would take too long. */
const COMPARED_ELEMENTS = 1_000;

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
  const root = found && hasRoot(found) ? [] : [addRoot(plan.device)];
  const classes = found ? ownClasses(plan, found) : [];
  await batch(place, 'tc', [...classes.map((id) => deleteClass(plan, id)), ...root, ...addEgress(plan)]);
}

function hasRoot({ root }: Queueing): boolean {
  return root.startsWith(`qdisc htb ${ROOT_HANDLE} `);
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

async function hold(plan: TrafficPlan, place: Place, inputs: Inputs, gateSeconds: number): Promise<Sighting> {
  const terse = countElements(inputs) > COMPARED_ELEMENTS;
  const listing = await refreshed(plan, place, terse, gateSeconds);
  if (listing === undefined) return { drift: await whyNotRefreshed(plan, place), evidence: {}, effective: false };
  const queueing = await queueingOf(place, devicesWithQueues(plan));
  const kind = terse ? 'outline' : 'look';
  const look = queueing && markerName(kind, lookOf(plan, listing, queueing));
  const drift = missing(plan, queueing) ?? changed(listing, kind, look);
  if (drift !== undefined) return { drift, ...seenIn(plan, listing) };
  const markers = markersIn(listing);
  if (!markers.includes(markerName('inputs', inputsDigest(plan, inputs)))) {
    await nft(place, updateScript(plan, inputs, markers));
  } else if (look && !markers.includes(look)) {
    await nft(place, `add chain ${familiesOf(plan)[0]} ${plan.table} ${look}\n`);
  }
  return seenIn(plan, listing);
}

/** Keeps the gate open; the listing of our tables, or undefined when one is gone or its gate is closed. */
async function refreshed(
  plan: TrafficPlan,
  place: Place,
  terse: boolean,
  gateSeconds: number,
): Promise<string | undefined> {
  try {
    let listing = '';
    for (const family of familiesOf(plan)) {
      const script = `${refreshScript(plan, family, gateSeconds)}list table ${family} ${plan.table}\n`;
      listing += await nft(place, script, terse ? ['-t'] : []);
    }
    return listing;
  } catch (error) {
    if (error instanceof ProgramError && error.said.includes('No such file or directory')) return undefined;
    throw error;
  }
}

function markersIn(listing: string): string[] {
  return [...listing.matchAll(/chain ((?:inputs|look|outline)_\w+) \{/g)].map(([, name]) => name!);
}

async function whyNotRefreshed({ table, ...plan }: TrafficPlan, place: Place): Promise<string> {
  const tables = await tablesOf(place);
  const gone = familiesOf({ table, ...plan }).find(
    (wanted) => !tables.some(({ family, name }) => family === wanted && name === table),
  );
  if (gone) return `the nft table ${gone} ${table} is gone`;
  return `the gate of the nft table ${table} is closed: it was emptied, or not refreshed in time`;
}

function devicesWithQueues(plan: TrafficPlan): string[] {
  return [...(usesRoot(plan) ? [plan.device] : []), ...(usesIfb(plan) ? [plan.ifb] : [])];
}

/** What of our qdiscs and classes is not there. */
function missing(plan: TrafficPlan, queueing: Queueing[] | undefined): string | undefined {
  const devices = devicesWithQueues(plan);
  if (queueing === undefined) return `one of the devices ${devices.join(', ')} is gone`;
  for (const [index, device] of devices.entries()) {
    const found = queueing[index];
    const { root = 'none', qdiscs = [], classes = [] } = found ?? {};
    if (!root.startsWith(`qdisc htb ${ROOT_HANDLE} `))
      return `the root qdisc of ${device} is not ours any more: ${root}`;
    for (const id of classesOn(plan, device)) {
      if (!classes.some((line) => line.startsWith(`class htb ${id} `))) return `the class ${id} of ${device} is gone`;
      if (!qdiscs.some((line) => line.includes(` parent ${id}`)))
        return `the qdisc below class ${id} of ${device} is gone`;
    }
  }
  return undefined;
}

function classesOn(plan: TrafficPlan, device: string): string[] {
  if (device === plan.ifb) return [plan.shapeClass];
  return [
    ...(plan.egress?.shape ? [plan.shapeClass] : []),
    ...(plan.egress?.drop === undefined ? [] : [plan.dropClass]),
  ];
}

/** A digest of all that is ours, as it looks now. */
function lookOf(plan: TrafficPlan, listing: string, queueing: readonly Queueing[]): string {
  const mine = queueing.map(({ root, qdiscs, classes }) => [
    root,
    ...[...qdiscs, ...classes].filter((line) => isOurs(plan, line)),
  ]);
  return digestOf(JSON.stringify([steadyListing(listing), mine]));
}

/** How all looked when it was first held is remembered in the kernel itself, in the name of an empty chain. */
function changed(listing: string, kind: Marker, look: string | undefined): string | undefined {
  const known = markersIn(listing).find((name) => name.startsWith(markerName(kind, '')));
  if (known === undefined || known === look) return undefined;
  return 'the nft rules or qdiscs are not as they were put on';
}

function isOurs({ shapeClass, dropClass, leafHandle }: TrafficPlan, line: string): boolean {
  const words = line.split(' ');
  return [shapeClass, dropClass, leafHandle, `${leafHandle}1`].some((mark) => words.includes(mark));
}

function seenIn(plan: TrafficPlan, listing: string): Omit<Sighting, 'drift'> {
  const { matched, dropped } = countersIn(listing);
  const onlyLoses = [plan.egress, plan.ingress].every((lane) => lane?.shape === undefined);
  return { evidence: evidenceIn(listing), effective: (onlyLoses ? dropped : matched).packets > 0 };
}

function evidenceIn(listing: string): Evidence {
  const { matched, exempted } = countersIn(listing);
  return { packets: matched.packets, bytes: matched.bytes, exempted: exempted.packets };
}

async function revert(plan: TrafficPlan, place: Place): Promise<Evidence> {
  const tables = (await tablesOf(place)).filter(({ name }) => name === plan.table);
  let evidence: Evidence = {};
  if (tables.length > 0) {
    let listing = '';
    for (const { family, name } of tables) listing += await nft(place, `list table ${family} ${name}\n`, ['-t']);
    evidence = evidenceIn(listing);
    await nft(place, tables.map(({ family, name }) => `delete table ${family} ${name}\n`).join(''));
  }
  if (usesRoot(plan)) await removeClasses(plan, place);
  if (usesIfb(plan) && (await hasDevice(place, plan.ifb))) await batch(place, 'ip', [['link', 'delete', plan.ifb]]);
  await proveGone(plan, place);
  return evidence;
}

async function removeClasses(plan: TrafficPlan, place: Place): Promise<void> {
  const [found] = (await queueingOf(place, [plan.device])) ?? [];
  if (!found || !hasRoot(found)) return;
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
    if (found && hasRoot(found)) {
      left.push(...ownClasses(plan, found).map((id) => `the class ${id} of ${plan.device}`));
      if (faultsOn(found) === 0) left.push(`the root qdisc ${ROOT_HANDLE} of ${plan.device}`);
    }
  }
  if (left.length > 0) throw new Error(`still there after it was taken away: ${left.join(', ')}`);
}
