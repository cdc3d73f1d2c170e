import type { Inputs, Sighting } from '../handler.js';
import type { Place } from '../place.js';
import {
  countersIn,
  evidenceIn,
  nft,
  ProgramError,
  type Queueing,
  queueingOf,
  steadyListing,
  tablesOf,
} from './kernel.js';
import {
  countElements,
  digestOf,
  familiesOf,
  inputsDigest,
  type Marker,
  markerName,
  refreshScript,
  updateScript,
} from './nft.js';
import { isSharedRoot, type TrafficPlan, usesIfb, usesRoot } from './plan.js';

/** Sets with more elements than this are not compared with what they were: it would take too long. */
const COMPARED_ELEMENTS = 1_000;

/** Keeps a fault's gate open, brings changed inputs in, and looks whether all of it is there as it was put on. */
export async function hold(plan: TrafficPlan, place: Place, inputs: Inputs, gateSeconds: number): Promise<Sighting> {
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
    const gone = missingOn(plan, device, queueing[index]);
    if (gone !== undefined) return gone;
  }
  return undefined;
}

function missingOn(plan: TrafficPlan, device: string, found: Queueing | undefined): string | undefined {
  const { root = 'none', qdiscs = [], classes = [] } = found ?? {};
  const isOurs = device === plan.ifb ? root.startsWith('qdisc htb ') : isSharedRoot(root);
  if (!isOurs) return `the root qdisc of ${device} is not ours any more: ${root}`;
  for (const id of classesOn(plan, device)) {
    if (!classes.some((line) => line.startsWith(`class htb ${id} `))) return `the class ${id} of ${device} is gone`;
    if (!qdiscs.some((line) => line.split(' ').includes(id))) return `the qdisc below class ${id} of ${device} is gone`;
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
