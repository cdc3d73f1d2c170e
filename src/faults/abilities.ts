/**
 * What an agent has to be able to do where a target runs. Each is found by trying it in a throw-away network namespace:
 *
 * - `nft`: tables of the families inet and netdev, timed-out sets, `fwd`
 * - `htb`: the qdisc that limits rates and under which everything is shaped
 * - `netem`: the qdisc that delays, loses, duplicates, corrupts and reorders
 * - `ifb`: the device that incoming traffic is shaped on
 * - `redirect`: nft's nat redirect, which brings connections to the userspace proxy
 * - `processes`: seeing and signalling the processes of other pods on the node
 */
export const abilities = ['nft', 'htb', 'netem', 'ifb', 'redirect', 'processes'] as const;

/** One thing an agent may be able to do. */
export type Ability = (typeof abilities)[number];

/** For each ability: `''` when it is there, else why it is not, in words for people. */
export type Abilities = Readonly<Record<Ability, string>>;

/** Why something that takes these abilities can't be done, in a sentence; undefined when it can. */
export function lacking(has: Abilities, wanted: readonly Ability[]): string | undefined {
  const missing = wanted.filter((ability) => has[ability] !== '');
  if (missing.length === 0) return undefined;
  return missing.map((ability) => `${ability}: ${has[ability] ?? 'not known to this agent'}`).join('; ');
}
