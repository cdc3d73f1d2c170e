import type { Environment } from '@marcbachmann/cel-js';
import { compilePattern, matchesPattern } from './patterns.js';

const MAX_LENGTH = 1_000_000;

function characterAt(text: string, index: bigint): string {
  const characters = [...text];
  if (index < 0n || index > BigInt(characters.length)) throw new Error(`index out of range: ${index}`);
  return characters[Number(index)] ?? '';
}

function replaceSome(text: string, from: string, to: string, limit: bigint): string {
  if (limit === 0n) return text;
  const parts = text.split(from);
  const count = limit < 0n ? parts.length - 1 : Math.min(Number(limit), parts.length - 1);
  // Replacing a character by a long text multiplies lengths; a rule must not be able to fill the memory.
  if (text.length + count * to.length > MAX_LENGTH) throw new Error('replace: the result is too long');
  return [parts.slice(0, count + 1).join(to), ...parts.slice(count + 1)].join(from);
}

function findAll(text: string, pattern: string, limit: bigint): string[] {
  const found: string[] = [];
  const matcher = compilePattern(pattern).matcher(text);
  while ((limit < 0n || found.length < Number(limit)) && matcher.find()) found.push(matcher.group() ?? '');
  return found;
}

function format(template: string, values: unknown[]): string {
  let next = 0;
  return template.replace(/%(%|(\.\d{1,2})?[sdfebxX])/g, (directive) => {
    if (directive === '%%') return '%';
    if (next >= values.length) throw new Error(`index ${next} out of range`);
    return formatOne(directive, values[next++]);
  });
}

function formatOne(directive: string, value: unknown): string {
  const verb = directive.at(-1);
  const precision = Number(/\.(\d+)/.exec(directive)?.[1] ?? 6);
  if (verb === 'f') return Number(value).toFixed(precision);
  if (verb === 'e') return Number(value).toExponential(precision);
  if (verb === 'b' || verb === 'x' || verb === 'X') {
    const digits = BigInt(value as bigint).toString(verb === 'b' ? 2 : 16);
    return verb === 'X' ? digits.toUpperCase() : digits;
  }
  return Array.isArray(value) ? `[${value.map(String).join(', ')}]` : String(value);
}

const asciiLower = (text: string) => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
const asciiUpper = (text: string) => text.replace(/[a-z]+/g, (letters) => letters.toUpperCase());

/**
 * Adds the string and regular-expression functions of Kubernetes' CEL that cel-js lacks. Those whose own version in
 * cel-js differs or can hang get another name here; compile.ts maps the calls.
 */
export function registerStrings(environment: Environment): void {
  environment
    .registerFunction(
      'string.goMatches(string): bool',
      (text: string, pattern: string) => matchesPattern(pattern, text),
      { async: false },
    )
    .registerFunction(
      'matches(string, string): bool',
      (text: string, pattern: string) => matchesPattern(pattern, text),
      { async: false },
    )
    .registerFunction('string.goLowerAscii(): string', asciiLower, { async: false })
    .registerFunction('string.goUpperAscii(): string', asciiUpper, { async: false })
    .registerFunction('string.charAt(int): string', characterAt, { async: false })
    .registerFunction(
      'string.replace(string, string): string',
      (text: string, from: string, to: string) => replaceSome(text, from, to, -1n),
      { async: false },
    )
    .registerFunction('string.replace(string, string, int): string', replaceSome, { async: false })
    .registerFunction(
      'string.find(string): string',
      (text: string, pattern: string) => findAll(text, pattern, 1n)[0] ?? '',
      { async: false },
    )
    .registerFunction(
      'string.findAll(string): list<string>',
      (text: string, pattern: string) => findAll(text, pattern, -1n),
      { async: false },
    )
    .registerFunction('string.findAll(string, int): list<string>', findAll, { async: false })
    .registerFunction('list<string>.goJoin(): string', (list: Iterable<string>) => [...list].join(''), { async: false })
    .registerFunction(
      'list<string>.goJoin(string): string',
      (list: Iterable<string>, separator: string) => [...list].join(separator),
      { async: false },
    )
    .registerFunction('string.format(list<dyn>): string', format, { async: false });
}
