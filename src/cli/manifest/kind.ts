import type { Kind } from '../../api/kind.js';
import { API_VERSION, GROUP } from '../../api/labels.js';
import { suggest } from './suggest.js';

/** Whose object it is: one of our kinds, somebody else's, or one that was meant to be ours and is misspelt. */
export type Recognized = { kind: Kind } | { other: true } | { problems: { path: string[]; message: string }[] };

/**
 * Tells our objects from others by `apiVersion` and `kind`. Near misses are problems, so that a misspelt Experiment
 * is not passed over as somebody else's.
 */
export function recognize(object: Record<string, unknown>, kinds: readonly Kind[]): Recognized {
  const apiVersion = text(object.apiVersion);
  const kindName = text(object.kind);
  const names = kinds.map(({ kind }) => kind);
  const kind = kinds.find((candidate) => candidate.kind === kindName);
  const nearKind = kind?.kind ?? (kindName === undefined ? undefined : suggest(kindName, names));
  if (apiVersion === API_VERSION) return kind ? { kind } : { problems: [wrongKind(kindName, nearKind, names)] };

  const [group = '', version] = (apiVersion ?? '').split('/');
  const ourGroup = group === GROUP || suggest(group, [GROUP]) !== undefined;
  // Another project's Experiment is its own business; one without a group, or in nearly our group, was meant for us.
  const meant = ourGroup || (nearKind !== undefined && version === undefined);
  if (!meant) return { other: true };
  const problems = [wrongApiVersion(object, apiVersion)];
  if (!kind) problems.push(wrongKind(kindName, nearKind, names));
  return { problems };
}

function wrongApiVersion(object: Record<string, unknown>, apiVersion: string | undefined) {
  const found =
    object.apiVersion === undefined ? 'is required' : `is ${JSON.stringify(apiVersion ?? object.apiVersion)}`;
  return { path: ['apiVersion'], message: `${found}; expected ${API_VERSION}` };
}

function wrongKind(kindName: string | undefined, near: string | undefined, names: string[]) {
  if (kindName === undefined) return { path: ['kind'], message: `is required; expected one of ${names.join(', ')}` };
  const expected = near === undefined ? `expected one of ${names.join(', ')}` : `did you mean ${near}?`;
  return { path: ['kind'], message: `${JSON.stringify(kindName)} is not a kind of ${API_VERSION}; ${expected}` };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
