import { MAX_PEER_ADDRESSES } from '../../api/peers.js';
import type { Traffic } from '../../faults/step.js';
import { type Inputs, RefusedError } from '../handler.js';
import type { Place } from '../place.js';
import { familyProblem } from './addresses.js';
import { type Device, devicesOf, listTable, type Queueing, queueingOf, type TableName, tablesOf } from './kernel.js';
import { meantBy, meantByTable, overlap } from './match.js';
import { createScript } from './nft.js';
import { isSharedRoot, minorOf, planOf, type TrafficPlan, type TrafficUndo, tableOf, usesRoot } from './plan.js';

/**
 * Looks at what is in the target's network and says how a step would be carried out there; touches nothing.
 * @throws RefusedError when something that is not ours is in the way, or the step can't be combined with what is on
 */
export async function survey(step: Traffic, place: Place, id: string, inputs: Inputs): Promise<TrafficUndo> {
  checkPeers(step, inputs);
  const devices = await devicesOf(place);
  const device = choose(step.match.device, devices, place);
  const problem =
    step.match.peers && inputs.peers && familyProblem(inputs.peers, [...place.podIPs, ...device.addresses]);
  if (problem) throw new RefusedError(problem);
  const undo: TrafficUndo = { id, device: device.name, mtu: device.mtu, minor: minorOf(id), step };
  const plan = planOf(undo);
  // Refuses what is not an address.
  createScript(plan, inputs);
  checkOwnNames(plan, devices);
  if (usesRoot(plan)) checkRoot(plan, (await queueingOf(place, [plan.device]))?.[0]);
  await checkOthers(place, plan, inputs);
  return undo;
}

/**
 * The undo record that a survey of the same step in the same place made, whatever is in the way now. A device that is not
 * there any more took with it what was on it.
 */
export async function undoAgain(step: Traffic, place: Place, id: string): Promise<TrafficUndo> {
  const { name, mtu } = find(step.match.device, await devicesOf(place), place) ?? { name: 'lo', mtu: 0 };
  return { id, device: name, mtu, minor: minorOf(id), step };
}

function checkPeers({ match }: Traffic, inputs: Inputs): void {
  for (const field of ['peers', 'except'] as const) {
    const addresses = inputs[field];
    if (!match[field]) continue;
    const count = (addresses?.ranges.length ?? 0) + (addresses?.endpoints.length ?? 0);
    if (count > MAX_PEER_ADDRESSES) {
      throw new RefusedError(
        `\`${field}\` stands for ${count} addresses, and at most ${MAX_PEER_ADDRESSES} are possible: name ranges (cidrs) instead`,
      );
    }
    if (count === 0 && field === 'peers') {
      throw new RefusedError('the peers match no address: no traffic would be hit');
    }
  }
}

/** What the kernel allows in the name of a device is more than what is safe in a script of nft. */
const plainName = /^[a-zA-Z0-9_][-a-zA-Z0-9_.]{0,14}$/;

function usable(devices: readonly Device[]): Device[] {
  return devices.filter(({ name }) => name !== 'lo' && plainName.test(name));
}

function find(wanted: string | undefined, devices: readonly Device[], { podIPs }: Place): Device | undefined {
  return usable(devices).find(({ name, addresses }) =>
    wanted === undefined ? addresses.includes(podIPs[0] ?? '') : name === wanted,
  );
}

function choose(wanted: string | undefined, devices: readonly Device[], place: Place): Device {
  const found = find(wanted, devices, place);
  if (found) return found;
  const names =
    usable(devices)
      .map(({ name }) => name)
      .join(', ') || 'none';
  throw new RefusedError(
    wanted === undefined
      ? `no network device of the pod holds its address ${place.podIPs[0]}: set \`device\` to one of: ${names}`
      : `the pod has no network device '${wanted}' that can be hit; it has: ${names}`,
  );
}

function checkOwnNames(plan: TrafficPlan, devices: readonly Device[]): void {
  const there = devices.find(({ name }) => name === plan.ifb);
  if (there && there.kind !== 'ifb') {
    throw new RefusedError(`there is a device '${plan.ifb}' in the pod that is not ours: rename or remove it`);
  }
}

async function checkOwnTable(place: Place, { family, name }: TableName): Promise<void> {
  const listing = await listTable(place, family, name);
  if (listing !== undefined && !/set armed \{\s+type ether_type\s+flags timeout/.test(listing)) {
    throw new RefusedError(`there is an nft table '${family} ${name}' in the pod that is not ours: remove it`);
  }
}

/** What can be the root of a device without anybody having asked for it, or is ours. */
export function checkRoot({ device }: TrafficPlan, queueing: Queueing | undefined): void {
  const root = queueing?.root ?? '';
  const [, kind = 'unknown', handle = ''] = root.split(' ');
  if (handle === '0:' || isSharedRoot(root)) return;
  throw new RefusedError(
    `${device} has a root qdisc of its own (${kind} ${handle}), which is left alone: outgoing traffic can't be hit here; remove the qdisc, or choose \`direction: Ingress\` or another \`device\``,
  );
}

/**
 * Looks at the tables of other faults on the pod.
 * @throws RefusedError when one of them shapes packets that this one means too
 */
export async function checkOthers(place: Place, plan: TrafficPlan, inputs: Inputs): Promise<void> {
  for (const table of await tablesOf(place)) {
    if (table.name === plan.table) await checkOwnTable(place, table);
    else await checkOther(place, plan, inputs, table);
  }
}

async function checkOther(place: Place, plan: TrafficPlan, inputs: Inputs, { family, name }: TableName): Promise<void> {
  const { code, stdout } = await place.run('nft', ['list', 'table', family, name]);
  // It went away between the two looks.
  if (code !== 0) return;
  const id = name.slice(tableOf('').length);
  const shaping = shapedBy(stdout);
  if (shaping.classes.includes(plan.shapeClass) || shaping.classes.includes(plan.dropClass)) {
    throw new RefusedError(`the fault ${id} on this pod happens to use the class ${plan.shapeClass} too: run it again`);
  }
  const ways = (['egress', 'ingress'] as const).filter((way) => plan[way]?.shape && shaping[way] === plan.device);
  if (ways.length === 0 || !overlap(meantBy(plan.match, inputs), meantByTable(stdout))) return;
  throw new RefusedError(
    `the fault ${id} on this pod shapes ${ways.join(' and ')} on ${plan.device} already, and may mean the same packets: a packet can have one delay or rate; give both \`peers\` or \`ports\` that have nothing in common, or start one after the other`,
  );
}

interface Shaping {
  classes: string[];
  /** The device whose outgoing packets a table of ours shapes. */
  egress: string | undefined;
  /** The device whose incoming packets it shapes. */
  ingress: string | undefined;
}

/** What a table of ours does, read back from its rules. */
function shapedBy(listing: string): Shaping {
  const lines = listing.split('\n');
  const isShaped = lines.some((line) => /^\s*meta priority set/.test(line));
  return {
    classes: [...listing.matchAll(/meta priority set (\S+)/g)].map(([, id]) => id!),
    egress: isShaped ? listing.match(/oifname != "([^"]+)"/)?.[1] : undefined,
    ingress: listing.match(/hook ingress device "([^"]+)"/)?.[1],
  };
}
