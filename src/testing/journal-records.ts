import type { JournalRecord } from '../agent/journal-format.js';

/** An undo record as of a partition. */
export function journalRecord(id: string, changes: Partial<JournalRecord> = {}): JournalRecord {
  return {
    id,
    injection: { name: 'run-step-0-0', uid: '0d5ab2e6-0000-4000-8000-000000000001' },
    target: { namespace: 'shop', name: 'cart-0', uid: '0d5ab2e6-0000-4000-8000-000000000002' },
    step: { do: 'traffic', match: { direction: 'Egress', includeKubelet: false }, drop: 1 },
    undo: { device: 'eth0' },
    networkNamespace: 'net:[4026532008]',
    bootId: 'b5a6b4f0-0000-4000-8000-000000000003',
    at: { bootMilliseconds: 1000 },
    ...changes,
  };
}
