import type { Target } from '../../api/injection.js';
import type { SafetyStep } from './input.js';

/** One target of one step, as something that is paid for. */
export interface Hit {
  step: SafetyStep;
  target: Target;
}

/** What a hit costs in one account: different units, such as the UIDs of pods. */
export interface Cost {
  /** The account, such as a namespace or a workload. */
  account: string;
  units: readonly string[];
}

/** A limit that something is measured against. Units that several hits share are paid for once. */
export interface Meter {
  /** What refuses when a limit would be exceeded. */
  by: string;
  /** Which steps it is about. */
  covers(step: SafetyStep): boolean;
  /** `Run`: everything that is ever hit counts. `Group`: what is on at the same time does. */
  span: 'Run' | 'Group';
  costs(hit: Hit): readonly Cost[];
  limit(account: string): number;
  /** What would be too much, in a sentence without a full stop. */
  words(account: string, used: number): string;
}

/** What is used up of one meter, in all of its accounts. */
export class Account {
  readonly #used = new Map<string, Set<string>>();

  constructor(readonly meter: Meter) {}

  /** Pays for a hit, whether or not there is room for it. */
  pay(hit: Hit): void {
    for (const { account, units } of this.meter.costs(hit)) {
      const used = this.#used.get(account) ?? new Set();
      for (const unit of units) used.add(unit);
      this.#used.set(account, used);
    }
  }

  /** The accounts in which a hit would exceed the limit, with how much would be used. What costs nothing new is never refused. */
  exceededBy(hit: Hit): { account: string; used: number }[] {
    return this.meter.costs(hit).flatMap(({ account, units }) => {
      const known = this.#used.get(account);
      const fresh = new Set(units.filter((unit) => !known?.has(unit))).size;
      const used = (known?.size ?? 0) + fresh;
      return fresh > 0 && used > this.meter.limit(account) ? [{ account, used }] : [];
    });
  }

  /** The accounts with more used than their limit that these hits pay into. */
  exceeded(hits: readonly Hit[]): { account: string; used: number }[] {
    const touched = new Set(
      hits.flatMap((hit) => this.meter.costs(hit).flatMap((each) => (each.units.length > 0 ? [each.account] : []))),
    );
    return [...touched].flatMap((account) => {
      const used = this.#used.get(account)?.size ?? 0;
      return used > this.meter.limit(account) ? [{ account, used }] : [];
    });
  }
}
