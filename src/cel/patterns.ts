import { RE2JS } from 're2js';

const compiled = new Map<string, RE2JS>();
const CACHE_SIZE = 1000;

/**
 * A pattern in RE2 syntax, as Go and so the API server reads it; matching takes time linear in the text.
 * @throws when the pattern is not valid RE2 (look-around and back references are not)
 */
export function compilePattern(pattern: string): RE2JS {
  let expression = compiled.get(pattern);
  if (!expression) {
    expression = RE2JS.compile(pattern);
    // Rules can build patterns from values, so the cache must not grow with them.
    if (compiled.size >= CACHE_SIZE) compiled.clear();
    compiled.set(pattern, expression);
  }
  return expression;
}

/** Whether the pattern occurs anywhere in the text. */
export function matchesPattern(pattern: string, text: string): boolean {
  return compilePattern(pattern).test(text);
}
