import { delayFigures } from './figures.js';
import type { KernelCase } from './kernel-case.js';

/** What only a kernel with netem can show. */
export const netemCases: KernelCase[] = [
  {
    name: 'raw tc delays by what it is told',
    needs: ['netem'],
    async run({ pods, measured }) {
      await pods.pod.space.must('tc', ['qdisc', 'add', 'dev', 'eth0', 'root', 'netem', 'delay', '100ms']);
      const { times } = await pods.pod.space.ping(pods.peers[0]!.ipv4, { count: 20, interval: 0.02 });
      await pods.pod.space.must('tc', ['qdisc', 'del', 'dev', 'eth0', 'root']);
      const { mean, p50, p99 } = delayFigures(times);
      measured({ what: 'delay', expected: '100 ms', measured: `mean ${mean} p50 ${p50} p99 ${p99}` });
      if (Math.abs(p50 - 100) > 5) throw new Error(`the delay is ${p50} ms`);
    },
  },
];
