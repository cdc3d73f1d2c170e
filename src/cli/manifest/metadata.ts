import type { Kind } from '../../api/kind.js';
import { suggest } from './suggest.js';

/** Something wrong at a place in an object. `key` says that the field's name is meant rather than its value. */
export interface ObjectProblem {
  path: (string | number)[];
  message: string;
  part?: 'key';
}

const KNOWN = [
  'name',
  'generateName',
  'namespace',
  'labels',
  'annotations',
  'finalizers',
  'ownerReferences',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'managedFields',
  'selfLink',
];
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const QUALIFIED_NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;

/** What the API server asks of `metadata` for every kind, and the length of names our kinds ask for. */
export function checkMetadata(metadata: unknown, kind: Kind): ObjectProblem[] {
  const path = ['metadata'];
  if (metadata === undefined || metadata === null) return [{ path: [...path, 'name'], message: 'is required' }];
  if (!isObject(metadata)) return [{ path, message: 'must be an object with a name' }];
  return [
    ...checkFields(metadata),
    ...checkName(metadata, kind),
    ...checkNamespace(metadata.namespace),
    ...checkStrings(metadata.labels, 'labels', labelValueProblem),
    ...checkStrings(metadata.annotations, 'annotations', () => undefined),
  ];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkFields(metadata: Record<string, unknown>): ObjectProblem[] {
  const unknown = Object.keys(metadata).filter((field) => !KNOWN.includes(field));
  return unknown.map((field) => {
    const near = suggest(field, KNOWN);
    const message = near === undefined ? 'unknown field' : `unknown field; did you mean ${near}?`;
    return { path: ['metadata', field], message, part: 'key' };
  });
}

function checkName({ name, generateName }: Record<string, unknown>, kind: Kind): ObjectProblem[] {
  const path = ['metadata', 'name'];
  if (name === undefined || name === null || name === '') {
    return typeof generateName === 'string' && generateName !== '' ? [] : [{ path, message: 'is required' }];
  }
  if (typeof name !== 'string') return [{ path, message: `must be a string, is ${typeof name} ${name}; quote it` }];
  if (name.length > kind.maxNameLength) {
    return [{ path, message: `may have at most ${kind.maxNameLength} characters, has ${name.length}` }];
  }
  if (SUBDOMAIN.test(name)) return [];
  return [
    {
      path,
      message: `${JSON.stringify(name)} is not a name: expected lower-case letters, digits, - and ., beginning and ending with a letter or digit`,
    },
  ];
}

function checkNamespace(namespace: unknown): ObjectProblem[] {
  if (namespace === undefined) return [];
  if (typeof namespace === 'string' && namespace.length <= 63 && LABEL.test(namespace)) return [];
  return [
    {
      path: ['metadata', 'namespace'],
      message: `${JSON.stringify(namespace)} is not a namespace: expected at most 63 lower-case letters, digits and -`,
    },
  ];
}

function labelValueProblem(value: string): string | undefined {
  if (value === '' || (value.length <= 63 && QUALIFIED_NAME.test(value))) return undefined;
  return `${JSON.stringify(value)} is not a label value: expected at most 63 letters, digits, -, _ and .`;
}

function checkStrings(value: unknown, field: string, problemOf: (text: string) => string | undefined): ObjectProblem[] {
  const path = ['metadata', field];
  if (value === undefined || value === null) return [];
  if (!isObject(value)) return [{ path, message: 'must be a map of strings' }];
  return Object.entries(value).flatMap(([key, entry]): ObjectProblem[] => {
    const place = [...path, key];
    if (!isQualifiedKey(key))
      return [
        {
          path: place,
          message:
            'is not a valid key: expected a name of letters, digits, -, _ and ., with an optional prefix such as example.com/',
          part: 'key',
        },
      ];
    if (typeof entry !== 'string')
      return [{ path: place, message: `must be a string, is ${JSON.stringify(entry)}; quote it` }];
    const message = problemOf(entry);
    return message === undefined ? [] : [{ path: place, message }];
  });
}

function isQualifiedKey(key: string): boolean {
  const slash = key.lastIndexOf('/');
  const name = key.slice(slash + 1);
  const prefix = slash < 0 ? undefined : key.slice(0, slash);
  return (
    name.length <= 63 &&
    QUALIFIED_NAME.test(name) &&
    (prefix === undefined || (prefix.length <= 253 && SUBDOMAIN.test(prefix)))
  );
}
