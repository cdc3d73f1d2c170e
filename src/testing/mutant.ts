import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileFunction } from 'node:vm';
import { transformSync } from '@swc/core';
import type { Core } from './simulated-process.js';

/** A small bug: one place in the source of the core, and what stands there instead. */
export interface Mutation {
  /** The file, such as `domain/draw.ts`. */
  file: string;
  from: string;
  to: string;
}

type Exports = Record<string, unknown>;

const source = fileURLToPath(new URL('..', import.meta.url));
const nodeRequire = createRequire(import.meta.url);
const compiled = new Map<string, string>();

function compile(path: string, text: string): string {
  const options = {
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'commonjs' },
  } as const;
  return transformSync(text, { filename: path, ...options }).code;
}

function codeOf(path: string, mutation: Mutation): string {
  const text = readFileSync(path, 'utf8');
  if (relative(source, path) === mutation.file) return compile(path, mutated(text, mutation));
  const known = compiled.get(path) ?? compile(path, text);
  compiled.set(path, known);
  return known;
}

function mutated(text: string, { file, from, to }: Mutation): string {
  if (text.split(from).length !== 2) throw new Error(`${file} does not hold this exactly once: ${from}`);
  return text.replace(from, () => to);
}

/**
 * The core with one bug in it, compiled anew and apart from the sound one.
 *
 * @throws Error when the place is not there, so that a mutation can't go stale
 */
export function mutantCore(mutation: Mutation): Core {
  const load = mutantModules(mutation);
  const parts = ['run', 'injection', 'life-cycle', 'agent-injection', 'belief'].map((part) =>
    load(`domain/${part}.ts`),
  );
  return Object.assign({}, ...parts) as Core;
}

/** Loads files, such as `domain/run.ts`, as they are with one bug in one of them. */
export function mutantModules(mutation: Mutation): (file: string) => Exports {
  const modules = new Map<string, Exports>();
  const load = (path: string): Exports => {
    const known = modules.get(path);
    if (known) return known;
    const module = { exports: {} as Exports };
    modules.set(path, module.exports);
    const requireFrom = (name: string) =>
      name.startsWith('.') ? load(join(dirname(path), name.replace(/\.js$/, '.ts'))) : nodeRequire(name);
    compileFunction(codeOf(path, mutation), ['require', 'module', 'exports'], { filename: path })(
      requireFrom,
      module,
      module.exports,
    );
    return module.exports;
  };
  return (file) => load(join(source, file));
}
