import { isRecord } from '../json.js';
import type { Json } from '../store/types.js';

type Step =
  | { type: 'member'; name: string }
  | { type: 'index'; index: number }
  | { type: 'all' }
  | { type: 'filter'; path: string[]; equal: boolean; value: Json };

/** A backslash takes a dot into the name, as in `.metadata.annotations.squall\\.dev/verdict`. */
const MEMBER = /^\.((?:[\w/-]|\\.)+)/;
const QUOTED = /^\[\s*(?:'([^']*)'|"([^"]*)")\s*\]/;
const INDEX = /^\[\s*(-?\d+)\s*\]/;
const ALL = /^(?:\[\s*\*\s*\]|\.\*)/;
const FILTER = /^\[\?\(\s*@((?:\.[A-Za-z0-9_-]+)+)\s*(==|!=)\s*("[^"]*"|'[^']*'|true|false|-?\d+)\s*\)\]/;

/** A compiled path: the values it finds in an object, none when it leads nowhere. */
export type JsonPath = (value: Json) => Json[];

/**
 * Compiles the part of Kubernetes' JSONPath that CRDs use in printer columns and scale: `.a.b`, `['a']`, `[0]`, `[*]`
 * and `[?(@.type=="Ready")]`. Throws an Error for anything else.
 */
export function compileJsonPath(text: string): JsonPath {
  const steps: Step[] = [];
  let rest = text.trim().replace(/^\$/, '');
  if (rest === '.') {
    rest = '';
  }
  while (rest !== '') {
    const [step, length] = nextStep(rest, text);
    steps.push(step);
    rest = rest.slice(length);
  }
  return (value) => steps.reduce<Json[]>((values, step) => values.flatMap((item) => take(item, step)), [value]);
}

function nextStep(rest: string, whole: string): [Step, number] {
  let match = MEMBER.exec(rest);
  if (match !== null) {
    return [{ type: 'member', name: match[1]!.replaceAll('\\', '') }, match[0].length];
  }
  match = QUOTED.exec(rest);
  if (match !== null) {
    return [{ type: 'member', name: match[1] ?? match[2]! }, match[0].length];
  }
  match = INDEX.exec(rest);
  if (match !== null) {
    return [{ type: 'index', index: Number(match[1]) }, match[0].length];
  }
  match = ALL.exec(rest);
  if (match !== null) {
    return [{ type: 'all' }, match[0].length];
  }
  match = FILTER.exec(rest);
  if (match !== null) {
    const [, path, operator, literal] = match as unknown as [string, string, string, string];
    const value = JSON.parse(literal.replaceAll("'", '"'));
    return [{ type: 'filter', path: path.slice(1).split('.'), equal: operator === '==', value }, match[0].length];
  }
  throw new Error(`${JSON.stringify(whole)} is not a JSONPath that the sandbox can read, at ${JSON.stringify(rest)}`);
}

function take(value: Json, step: Step): Json[] {
  if (step.type === 'member') {
    return isRecord(value) && Object.hasOwn(value, step.name) ? [value[step.name]] : [];
  }
  if (step.type === 'all') {
    return Array.isArray(value) || isRecord(value) ? Object.values(value) : [];
  }
  if (!Array.isArray(value)) {
    return [];
  }
  if (step.type === 'index') {
    const item = value.at(step.index);
    return item === undefined ? [] : [item];
  }
  return value.filter((item) => {
    const found = step.path.reduce((current, key) => (isRecord(current) ? current[key] : undefined), item as Json);
    return (found === step.value) === step.equal;
  });
}
