import { expect, test } from '@jest/globals';
import { selectorText } from './selector.js';

test('writes its label selector as the API server takes it', () => {
  const selector = {
    matchLabels: { app: 'shop', tier: 'front' },
    matchExpressions: [
      { key: 'zone', operator: 'In' as const, values: ['a', 'b'] },
      { key: 'size', operator: 'NotIn' as const, values: ['xl'] },
      { key: 'team', operator: 'Exists' as const },
      { key: 'old', operator: 'DoesNotExist' as const },
    ],
  };
  expect(selectorText(selector)).toBe('app=shop,tier=front,zone in (a,b),size notin (xl),team,!old');
});
