import type { ExperimentSpec } from '../../api/experiment.js';
import type { Survey } from '../../domain/survey.js';
import type { Client } from '../../kubernetes/client.js';
import { UnknownKindError } from '../../kubernetes/discovery.js';
import type { Resource } from '../../kubernetes/resource.js';
import type { Reading } from '../../probes/probe.js';
import { type Account, accountExists, type MissingRight, reviewRights } from './access-review.js';
import { type Right, readingsOf, rightsOf, rightText } from './rights.js';

/** What an experiment's service account may and may not do of what the experiment needs. */
export interface Authorization {
  account: Account;
  /** The account is not there. */
  absent: boolean;
  /** All that is needed. */
  rights: readonly Right[];
  /** What of it the account lacks. */
  missing: readonly MissingRight[];
  /** Kinds that probes read and the cluster does not serve, each as `Widget of example.com/v1 (probe 'x')`. */
  unknownKinds: readonly string[];
}

/**
 * Asks the API server whether a service account may do what an experiment does. Nothing is remembered but where kinds
 * are served.
 *
 * @param namespace of the run
 * @throws ApiError, TransportError when something was not answered: then nothing is known
 */
export async function authorize(client: Client, namespace: string, spec: ExperimentSpec): Promise<Authorization> {
  const account = { namespace, name: spec.serviceAccountName };
  const readings = readingsOf(spec);
  const served = await Promise.all(readings.map((reading) => find(client, reading)));
  const places = new Map(readings.map((reading, index) => [kindKey(reading), served[index]]));
  const rights = rightsOf(spec, namespace, (reading) => places.get(kindKey(reading)));
  const [exists, missing] = await Promise.all([accountExists(client, account), reviewRights(client, account, rights)]);
  const unknown = readings.filter((_, index) => !served[index]);
  return {
    account,
    absent: !exists,
    rights,
    missing,
    unknownKinds: unknown.map(({ kind, apiVersion, probe }) => `${kind} of ${apiVersion} (probe '${probe}')`),
  };
}

function kindKey({ apiVersion, kind }: Reading): string {
  return `${apiVersion} ${kind}`;
}

async function find(client: Client, { apiVersion, kind }: Reading): Promise<Resource | undefined> {
  try {
    return await client.discover(apiVersion, kind);
  } catch (error) {
    if (error instanceof UnknownKindError) return undefined;
    throw error;
  }
}

/** What a look at a run's rights has brought, in words; see `Survey`. */
export function surveyOf({
  absent,
  missing,
  unknownKinds,
}: Authorization): Pick<Survey, 'missing' | 'noAccount' | 'unknownKinds'> {
  return { missing: missing.map(missingText), noAccount: absent, unknownKinds };
}

/** A missing right for people: what, what for, and what the API server says of it. */
export function missingText(right: MissingRight): string {
  return `${rightText(right)} (${right.why}${right.reason ? `: ${right.reason}` : ''})`;
}
