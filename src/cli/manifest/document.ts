import type { Document, Node, Scalar, YAMLError } from 'yaml';
import {
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseAllDocuments,
  visit,
  type YAMLMap,
} from 'yaml';
import type { Position } from './problem.js';

type Path = readonly (string | number)[];

/** Which part of an entry is meant: the name of the field, or its value. */
export type Part = 'key' | 'value';

/** One YAML document, or one item of a List in it. */
export interface ParsedDocument {
  /** undefined for an empty document. */
  value: unknown;
  /** Where a field is; where the nearest one above it is when it is missing. */
  locate(path: Path, part?: Part): Position;
  /** What the parser refuses; `value` is not to be trusted then. */
  errors: (Position & { message: string })[];
}

const START: Position = { line: 1, column: 1 };
const MAX_ALIASES = 100;
const MAX_ERRORS = 10;
/** What kubectl reads as a boolean, being YAML 1.1, and the parser here as a text. */
const OLD_BOOLEANS = /^(?:y|yes|on|n|no|off)$/i;
const OLD_TRUE = /^(?:y|yes|on)$/i;

/** Parses all documents of a YAML or JSON text; merge keys, anchors and YAML 1.1's `yes` and `off` are as for kubectl. */
export function parseDocuments(text: string): ParsedDocument[] {
  const lines = new LineCounter();
  const options = { lineCounter: lines, prettyErrors: false, merge: true, stringKeys: true } as const;
  const documents = parse(text, options);
  return documents.map((document) => readDocument(document, lines));
}

function parse(text: string, options: Parameters<typeof parseAllDocuments>[1]): Document.Parsed[] {
  const documents = parseAllDocuments(text, options);
  return Array.isArray(documents) ? documents : [];
}

function readDocument(document: Document.Parsed, lines: LineCounter): ParsedDocument {
  const position = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return line === 0 ? START : { line, column: col };
  };
  const locate = (path: Path, part: Part = 'value') => position(find(document, path, part));
  const errors = parserErrors(document).map((error) => ({ ...position(error.pos[0]), message: describe(error) }));
  if (errors.length > 0) return { value: undefined, locate, errors };
  try {
    readOldBooleans(document);
    const value = document.toJS({ maxAliasCount: MAX_ALIASES }) ?? undefined;
    rejectCycles(document, value);
    return { value, locate, errors };
  } catch (error) {
    const message = `${(error as Error).message.charAt(0).toLowerCase()}${(error as Error).message.slice(1)}`;
    return { value: undefined, locate, errors: [{ ...locate([]), message }] };
  }
}

/** One error leads to others, mostly at the same place; the first of each place tell enough. */
function parserErrors(document: Document.Parsed): YAMLError[] {
  const places = new Map<number, YAMLError>();
  for (const error of [...document.errors, ...document.warnings]) {
    if (!places.has(error.pos[0])) places.set(error.pos[0], error);
  }
  return [...places.values()].slice(0, MAX_ERRORS);
}

/** An alias inside its own anchor makes an endless object. */
function rejectCycles(document: Document.Parsed, value: unknown): void {
  let aliases = false;
  visit(document, {
    Alias() {
      aliases = true;
      return visit.BREAK;
    },
  });
  if (!aliases) return;
  try {
    JSON.stringify(value);
  } catch {
    throw new Error('an anchor contains an alias of itself');
  }
}

function describe({ code, message }: YAMLError): string {
  if (code === 'DUPLICATE_KEY') return 'this key is given twice; the second would replace the first';
  if (code === 'TAB_AS_INDENT') return 'a tab in the indentation; YAML wants spaces';
  if (message.startsWith('Maximum call stack')) return 'not valid YAML: nested too deeply';
  return `not valid YAML: ${message.charAt(0).toLowerCase()}${message.slice(1)}`;
}

function readOldBooleans(document: Document.Parsed): void {
  visit(document, {
    Scalar(key, node: Scalar) {
      if (key === 'key' || node.type !== 'PLAIN' || typeof node.value !== 'string') return;
      if (OLD_BOOLEANS.test(node.value)) node.value = OLD_TRUE.test(node.value);
    },
  });
}

/** The offset of a field's name or value, or of the nearest thing above it that is there. */
function find(document: Document.Parsed, path: Path, part: Part): number {
  let node: Node | null | undefined = document.contents;
  let offset = start(node) ?? document.range[0];
  for (const [index, step] of path.entries()) {
    const entry = child(resolve(document, node), step, document);
    if (!entry) break;
    const wanted = index === path.length - 1 ? part : 'key';
    offset = (wanted === 'key' ? entry.key : undefined) ?? start(entry.value) ?? entry.key ?? offset;
    node = entry.value;
  }
  return offset;
}

function child(
  node: Node | null | undefined,
  step: string | number,
  document: Document.Parsed,
): { key?: number; value: Node | null } | undefined {
  if (isSeq(node)) {
    const item = typeof step === 'number' ? (node.items[step] as Node | undefined) : undefined;
    return item && { value: item };
  }
  if (!isMap(node)) return undefined;
  const pair = pairOf(node, String(step), document);
  if (!pair) return undefined;
  const key = start(pair.key as Node);
  return { ...(key !== undefined && { key }), value: pair.value as Node | null };
}

/** The entry of a map, looked for in what is merged into it too. */
function pairOf(map: YAMLMap, name: string, document: Document.Parsed): Pair | undefined {
  const own = map.items.find((pair) => isPair(pair) && keyText(pair) === name);
  if (own) return own;
  for (const pair of map.items.filter((item) => keyText(item) === '<<')) {
    const merged = resolve(document, pair.value as Node);
    for (const source of isSeq(merged) ? merged.items : [merged]) {
      const target = resolve(document, source as Node);
      const found = isMap(target) && target !== map ? pairOf(target, name, document) : undefined;
      if (found) return found;
    }
  }
  return undefined;
}

function keyText({ key }: Pair): string {
  return isScalar(key) ? String(key.value ?? key.source) : '';
}

function resolve(document: Document.Parsed, node: Node | null | undefined): Node | null | undefined {
  return isAlias(node) ? node.resolve(document) : node;
}

function start(node: Node | null | undefined): number | undefined {
  return node?.range?.[0];
}
