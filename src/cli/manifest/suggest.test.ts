import { expect, test } from '@jest/globals';
import { suggest } from './suggest.js';

test.each([
  ['Experimnet', 'Experiment'],
  ['experiment', 'Experiment'],
  ['Experimen', 'Experiment'],
  ['Exepriments', 'Experiment'],
  ['hypotesis', 'hypothesis'],
  ['podkill', 'podKill'],
])('%s is taken for %s', (word, expected) => {
  expect(suggest(word, ['Experiment', 'hypothesis', 'podKill', 'method'])).toBe(expected);
});

test('of words that contain it, the only one is taken', () => {
  expect(suggest('KILL', ['SIGKILL', 'SIGTERM'])).toBe('SIGKILL');
  expect(suggest('proto', ['port', 'protocol'])).toBe('protocol');
  expect(suggest('SIG', ['SIGKILL', 'SIGTERM'])).toBeUndefined();
});

test('the nearest candidate wins', () => {
  expect(suggest('counts', ['court', 'count'])).toBe('count');
});

test.each(['Deployment', 'x', ''])('%s is taken for nothing', (word) => {
  expect(suggest(word, ['Experiment', 'hypothesis', 'podKill'])).toBeUndefined();
});
