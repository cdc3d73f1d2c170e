import { runProgram } from '../agent/run-program.js';
import { tryAbilities } from '../agent/try-abilities.js';
import { abilities } from '../faults/abilities.js';
import { network } from '../faults/network.js';
import type { KernelCase } from './kernel-case.js';

/** What an agent finds out about a kernel that has everything. */
export const abilityCases: KernelCase[] = [
  {
    name: 'an agent finds every ability, and plans a delay for netem',
    async run({ measured }) {
      const found = await tryAbilities(runProgram);
      for (const ability of abilities) {
        measured({ what: ability, expected: 'there', measured: found[ability] || 'there' });
        if (found[ability] !== '') throw new Error(`${ability}: ${found[ability]}`);
      }
      if (network.by !== 'Agent') throw new Error('network is no fault of agents');
      const plan = network.plan({ direction: 'Both', includeKubelet: false, delay: { latency: '1s' } }, found);
      if (!('steps' in plan) || plan.steps[0]?.do !== 'traffic') throw new Error(JSON.stringify(plan));
    },
  },
];
