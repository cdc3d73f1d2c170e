import { describe, expect, test } from '@jest/globals';
import { abilities } from '../faults/abilities.js';
import { notInstalled, runProgram } from './run-program.js';
import { tryAbilities } from './try-abilities.js';

describe('tryAbilities', () => {
  test('finds out what works here by doing it, and leaves nothing behind', async () => {
    const before = await runProgram('sh', ['-c', 'nft list tables; ip link; tc qdisc show']);
    const found = await tryAbilities(runProgram);
    expect(Object.keys(found)).toEqual([...abilities]);
    for (const ability of ['nft', 'htb', 'ifb', 'redirect', 'processes'] as const) expect(found[ability]).toBe('');
    // Kernels with netem and kernels without both are here to stay.
    expect(['', 'the kernel has no sch_netem (tc: Specified qdisc kind is unknown)']).toContain(found.netem);
    expect(await runProgram('sh', ['-c', 'nft list tables; ip link; tc qdisc show'])).toEqual(before);
  });

  test('says what a kernel lacks in words', async () => {
    const found = await tryAbilities(async (program, args, options) => {
      const changed = args.map((word) => (word === 'netem' || word === 'ifb' ? 'nope' : word));
      const input = options?.input?.replaceAll(' tbf ', ' nope ').replaceAll('type nat', 'type nope');
      return runProgram(program, changed, input === undefined ? {} : { input });
    });
    expect(found).toMatchObject({ nft: '', processes: '' });
    expect(found.netem).toMatch(/^the kernel has no sch_netem \(tc: /);
    expect(found.htb).toMatch(/^the kernel has no sch_htb, sch_tbf or sch_blackhole \(tc: /);
    expect(found.ifb).toMatch(/^the kernel has no ifb \(ip: /);
    expect(found.redirect).toMatch(/^the kernel has no nft_redir \(nft: /);
  });

  test('says what is not installed', async () => {
    const found = await tryAbilities(async (program, args, options) => {
      if (args[2] === 'ip') throw notInstalled('unshare');
      return runProgram(
        program,
        args.map((word) => (word === 'tc' ? 'tc-nope' : word)),
        options,
      );
    });
    expect(found.ifb).toBe('unshare is not installed: it is in the package util-linux');
    expect(found.netem).toBe('tc is not installed: it is in the package iproute2');
  });

  test('says that a program hangs', async () => {
    const found = await tryAbilities((_, __, options) =>
      runProgram('sleep', ['60'], { ...options, timeoutMilliseconds: 50 }),
    );
    expect(found.nft).toBe('sleep did not end within 0.05 s and was killed');
  });
});
