import { afterAll, describe, jest } from '@jest/globals';
import { startTestCluster } from './cluster.js';
import { commands } from './commands.js';
import { interruptions } from './interruptions.js';
import { selection } from './selection.js';
import { verdicts } from './verdicts.js';

jest.setTimeout(180_000);

// One cluster and one controller for all; started here because what it can't do decides which tests there are.
const cluster = await startTestCluster();
afterAll(() => cluster.stop());

describe('an experiment', () => verdicts(cluster));
describe('targets', () => selection(cluster));
describe('the command line', () => commands(cluster));
interruptions(cluster);
