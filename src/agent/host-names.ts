import { lookup, Resolver } from 'node:dns/promises';

/** Addresses of a host name, and for how many seconds they may be used. */
export interface NameAnswer {
  addresses: string[];
  timeToLiveSeconds: number;
}

/** Looks a host name up. @throws Error when it is not known, or nobody can say */
export type LookUp = (host: string) => Promise<NameAnswer>;

/**
 * Asks the DNS for the A and AAAA records of a name as it stands, and the system (its search list, /etc/hosts) when the
 * DNS knows neither.
 */
export const lookUp: LookUp = async (host) => {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  const [four, six] = await Promise.allSettled([
    resolver.resolve4(host, { ttl: true }),
    resolver.resolve6(host, { ttl: true }),
  ]);
  const records = [four, six].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  if (records.length > 0) {
    return {
      addresses: records.map(({ address }) => address),
      timeToLiveSeconds: Math.min(...records.map(({ ttl }) => ttl)),
    };
  }
  const found = await lookup(host, { all: true });
  return { addresses: found.map(({ address }) => address), timeToLiveSeconds: 0 };
};
