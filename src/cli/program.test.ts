import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import type { Command } from 'commander';
import { rememberingIo, runMain } from '../testing/command-line.js';
import { exitCodes } from './io.js';
import { createProgram } from './program.js';

const manual = readFileSync('docs/cli.md', 'utf8');

/** The options in the tables of one section, as `--help` writes them. */
function documented(title: string): string[] {
  const section = manual.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? '';
  return [...section.matchAll(/^\| `(-[^`]+)` /gm)].map(([, flags = '']) => flags.replace('\\|', '|')).sort();
}

function optionsOf(command: Command): string[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .map(({ flags }) => flags)
    .sort();
}

describe('the manual', () => {
  const program = createProgram(rememberingIo().io, () => {});
  const verbs = program.commands.map((command) => command.name());

  test('has a section for every command and for no other', () => {
    const titles = [...manual.matchAll(/^## squall (\S+)$/gm)].map(([, name]) => name);
    expect(titles).toEqual(verbs);
  });

  test.each(verbs)('describes the arguments and every option of `%s`, and no other', (name) => {
    const command = program.commands.find((each) => each.name() === name)!;
    const own = optionsOf(command).filter((flags) => flags !== '-h, --help');
    expect(documented(`squall ${name}`)).toEqual(own);
    const usage = command.usage().replace('[options]', '').trim();
    expect(manual).toContain(`\`squall ${name}${usage === '' ? '' : ` ${usage}`}\``);
  });

  test('describes the options of all commands', () => {
    expect(documented('Every command')).toEqual(optionsOf(program));
  });

  test('lists the exit codes', () => {
    const codes = [...manual.matchAll(/^\| (\d) /gm)].map(([, code]) => Number(code));
    expect(codes).toEqual(Object.values(exitCodes).sort());
  });
});

describe('the command line', () => {
  test.each([
    [['runn'], "unknown command 'runn'\n(Did you mean run?)"],
    [['run', '--bogus'], "unknown option '--bogus'"],
    [['run'], 'nothing to run'],
    [['run', '-o', 'xml', 'a.yaml'], 'Allowed choices are json, yaml'],
    [['run', '--seed', '1.5', 'a.yaml'], 'Expected a whole number from 0 to 9007199254740991'],
    [['run', '--sandbox', '--nodes', '0', 'a.yaml'], 'Expected a whole number from 1 to 500'],
    [['run', '--with', 'b.yaml', 'experiments'], '--with can only be used with --sandbox'],
    [['run', '--sandbox', 'name'], '--sandbox starts an empty cluster'],
    [['run', './absent.yaml'], './absent.yaml:1:1: no such file or directory'],
    [['run', '--junit', '/no/such/folder/a.xml', 'experiments'], "--junit /no/such/folder/a.xml: can't be written"],
    [['run', '--kubeconfig', '/no/such/file', 'experiments'], 'The kubeconfig /no/such/file does not exist.'],
    [['run', '-n', 'other', 'experiments'], "is in namespace 'shop', and --namespace says 'other'"],
    [['halt'], "required option '--reason <text>' not specified"],
    [['halt', '--reason', ' '], '--reason must say why'],
    [['abort', 'a', '--reason', ''], '--reason must say why'],
    [['sandbox', '--kubeconfig', 'package.json'], 'is there already and not from a sandbox'],
    [['sandbox', '--kubeconfig', '/no/such/folder/file'], "can't be written"],
    [['validate'], "missing required argument 'file|dir'"],
  ])('%j is a usage error: nothing on stdout, no stack, exit code 2', async (args, message) => {
    const written = await runMain(...args);
    expect([written.code, written.stdout]).toEqual([2, '']);
    expect(written.stderr).toContain(message);
    expect(written.stderr).not.toMatch(/^\s+at /m);
  });

  test('help and version are no errors', async () => {
    for (const args of [['--help'], ['--version'], ['run', '--help']]) {
      const { code, stdout, stderr } = await runMain(...args);
      expect([args, code, stderr]).toEqual([args, 0, '']);
      expect(stdout).not.toBe('');
    }
  });
});
