import { afterAll, describe, jest } from '@jest/globals';
import { startTestCluster } from './cluster.js';
import { commands } from './commands.js';
import { aborts, outages } from './interruptions.js';
import { selection } from './selection.js';
import { patience, verdicts } from './verdicts.js';

jest.setTimeout(180_000);

// One cluster and one controller for all; started here because what it can't do decides which tests there are.
const cluster = await startTestCluster();
afterAll(() => cluster.stop());

// All of these run side by side, a few at a time; what takes longest comes first.
describe('squall', () => {
  patience(cluster);
  verdicts(cluster);
  selection(cluster);
  aborts(cluster);
  commands(cluster);
});
outages(cluster);
