import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { kindExamples } from '../src/generate/examples.js';
import type { Benchmark, Figure } from './figure.js';
import { peakOfNode, squall, temporaryFolder, timeNode } from './processes.js';
import { inTurn } from './rounds.js';

const TIMED_ROUNDS = 20;
const MEMORY_ROUNDS = 5;
const FILES = 100;

/** Start-up time and memory of commands that need no cluster, against a Node that does nothing. */
export const commandStart: Benchmark = { name: 'command-start', run: measure };

async function measure(): Promise<Figure[]> {
  const folder = temporaryFolder();
  const manifests = join(folder, 'manifests');
  writeManifests(manifests);
  const commands = { floor: ['-e', '0'], version: [squall, '--version'], validate: [squall, 'validate', manifests] };

  const { output } = await timeNode(commands.validate);
  if (!output.startsWith(`${FILES} valid`)) throw new Error(`squall validate did not take every file: ${output}`);
  const times = await inTurn(TIMED_ROUNDS, commands, async (args) => (await timeNode(args)).milliseconds);
  const peaks = await inTurn(MEMORY_ROUNDS, commands, peakOfNode);
  const against = '`node -e 0`';
  return [
    { what: '`squall --version`: time', against, unit: 'ms', ours: times.version, floor: times.floor },
    { what: '`squall --version`: peak RSS', against, unit: 'MiB', ours: peaks.version, floor: peaks.floor },
    {
      what: `\`squall validate\`, ${FILES} files: time`,
      against,
      unit: 'ms',
      ours: times.validate,
      floor: times.floor,
    },
    {
      what: `\`squall validate\`, ${FILES} files: peak RSS`,
      against,
      unit: 'MiB',
      ours: peaks.validate,
      floor: peaks.floor,
    },
  ];
}

/** One document per file: the Experiments and ExperimentRuns of the reference, under names of their own. */
function writeManifests(folder: string): void {
  mkdirSync(folder);
  const examples = [kindExamples.Experiment, kindExamples.ExperimentRun] as { metadata: object }[];
  for (let index = 0; index < FILES; index += 1) {
    const example = examples[index % examples.length];
    const manifest = { ...example, metadata: { ...example?.metadata, name: `example-${index}` } };
    writeFileSync(join(folder, `example-${index}.yaml`), stringify(manifest));
  }
}
