import { badRequest } from '../api-error.js';
import { isRecord } from '../json.js';
import type { Json, KubeObject } from '../store/types.js';
import type { ResourceType } from './resource-type.js';

/** Says of an object whether a list or a watch has it. */
export type Predicate = (object: KubeObject) => boolean;

type Labels = Record<string, string>;
type LabelTest = (labels: Labels) => boolean;

const KEY = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
const SET_TERM = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/;
const EQUALITY_TERM = /^([^\s=!]+)\s*(==|=|!=)\s*([^\s=!]*)$/;

/** Parses `labelSelector`: `a=b,c!=d,e in (f,g),h notin (i),j,!k`. Throws 400 for what isn't one. */
export function parseLabelSelector(text: string): LabelTest {
  const terms = splitTerms(text).map(parseLabelTerm);
  return (labels) => terms.every((term) => term(labels));
}

/** Turns `matchLabels` and `matchExpressions` into a test. An empty selector matches everything, none matches nothing. */
export function compileLabelSelector(selector: Json): LabelTest {
  if (!isRecord(selector)) {
    return () => false;
  }
  const tests: LabelTest[] = Object.entries(selector.matchLabels ?? {}).map(
    ([key, value]) =>
      (labels) =>
        labelOf(labels, key) === value,
  );
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    tests.push(expressionTest(key, operator, values));
  }
  return (labels) => tests.every((test) => test(labels));
}

/** Commas separate terms, except within the parentheses of a set. */
function splitTerms(text: string): string[] {
  return text
    .split(/,(?![^(]*\))/)
    .map((term) => term.trim())
    .filter((term, _index, all) => term !== '' || all.length > 1);
}

function parseLabelTerm(term: string): LabelTest {
  const set = SET_TERM.exec(term);
  if (set !== null) {
    const values = set[3]!.split(',').map((value) => value.trim());
    return checkedTest(set[1]!, set[2] === 'in' ? 'In' : 'NotIn', values, term);
  }
  const equality = EQUALITY_TERM.exec(term);
  if (equality !== null) {
    return checkedTest(equality[1]!, equality[2] === '!=' ? 'NotIn' : 'In', [equality[3]!], term);
  }
  return term.startsWith('!')
    ? checkedTest(term.slice(1).trim(), 'DoesNotExist', [], term)
    : checkedTest(term, 'Exists', [], term);
}

function checkedTest(key: string, operator: string, values: string[], term: string): LabelTest {
  if (!KEY.test(key) || !values.every((value) => VALUE.test(value))) {
    throw badRequest(`unable to parse requirement: ${JSON.stringify(term)} is not a valid label selector`);
  }
  return expressionTest(key, operator, values);
}

function expressionTest(key: string, operator: string, values: readonly string[]): LabelTest {
  switch (operator) {
    case 'In':
      return (labels) => values.includes(labelOf(labels, key) as string);
    case 'NotIn':
      return (labels) => !values.includes(labelOf(labels, key) as string);
    case 'Exists':
      return (labels) => labelOf(labels, key) !== undefined;
    default:
      return (labels) => labelOf(labels, key) === undefined;
  }
}

/** A label may be called `constructor`, which every object has without owning it. */
function labelOf(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}

/** Parses `fieldSelector`: `a=b,c!=d` over the fields that the kind can be filtered by. Throws 400 for others. */
export function parseFieldSelector(type: ResourceType, text: string): Predicate {
  const terms = text.split(/(?<!\\),/).filter((term) => term !== '');
  const tests = terms.map((term) => parseFieldTerm(type, term));
  return (object) => tests.every((test) => test(object));
}

function parseFieldTerm(type: ResourceType, term: string): Predicate {
  const match = /^([^=!]+)(==|=|!=)(.*)$/.exec(term);
  if (match === null) {
    throw badRequest(`invalid field selector: ${JSON.stringify(term)} should be like field=value or field!=value`);
  }
  const [, path, operator, escaped] = match as unknown as [string, string, string, string];
  const read = fieldOf(type, path);
  const value = escaped.replace(/\\([\\,=])/g, '$1');
  return (object) => (read(object) === value) === (operator !== '!=');
}

function fieldOf(type: ResourceType, path: string): (object: KubeObject) => string {
  if (path === 'metadata.name') {
    return (object) => object.metadata.name;
  }
  if (path === 'metadata.namespace') {
    return (object) => object.metadata.namespace ?? '';
  }
  const read = Object.hasOwn(type.fields, path) ? type.fields[path] : undefined;
  if (read === undefined) {
    throw badRequest(`field label not supported: ${path}`);
  }
  return read;
}

/** The test of a request's `labelSelector` and `fieldSelector`; undefined when it has neither. */
export function selectorOf(type: ResourceType, query: URLSearchParams): Predicate | undefined {
  const labels = query.get('labelSelector');
  const fields = query.get('fieldSelector');
  const labelTest = labels ? parseLabelSelector(labels) : undefined;
  const fieldTest = fields ? parseFieldSelector(type, fields) : undefined;
  if (labelTest === undefined) {
    return fieldTest;
  }
  return (object) => labelTest(object.metadata.labels ?? {}) && (fieldTest?.(object) ?? true);
}
