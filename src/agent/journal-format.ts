import { createHash } from 'node:crypto';
import type { Ended, Target } from '../api/injection.js';
import type { AgentStep } from '../faults/step.js';

/** What has to be taken back on one target, known before it is put on. */
export interface JournalRecord {
  /** What everything of ours is marked with; see `recordId`. */
  id: string;
  injection: { name: string; uid: string };
  target: Target;
  step: AgentStep;
  /** What the step's handler needs to take it back: plain JSON. */
  undo: unknown;
  /** `net:[4026532008]`. */
  networkNamespace: string;
  bootId: string;
  /** When it was recorded, on the clock of `readBootMilliseconds`. */
  at: { bootMilliseconds: number };
  /** Why an agent takes it back though it may still be wanted: final, also for the next agent. */
  ended?: Ended;
}

export { recordId } from '../domain/record-id.js';

/** One line of a journal. */
export type JournalEntry = { intend: JournalRecord } | { clean: string };

/** What a journal's bytes say. */
export interface JournalContent {
  /** The lines of records that are open, by id, in the order they were recorded. */
  open: Map<string, { record: JournalRecord; line: string }>;
  /** Complete lines that can't be read, as they are. */
  damaged: Buffer[];
  /** Whether lines could be left out without a loss. */
  compactible: boolean;
  /** Bytes up to the end of the last complete line. What comes after it was never acknowledged. */
  completeSize: number;
}

const NEWLINE = 0x0a;
const CHECKSUM_LENGTH = 16;

/** One line with its newline: a checksum, a space, JSON. */
export function encodeEntry(entry: JournalEntry): string {
  const json = JSON.stringify(entry);
  return `${checksum(json)} ${json}\n`;
}

/** Reads a journal; never throws, whatever is in it. */
export function decodeJournal(bytes: Buffer): JournalContent {
  const content: JournalContent = { open: new Map(), damaged: [], compactible: false, completeSize: 0 };
  for (;;) {
    const end = bytes.indexOf(NEWLINE, content.completeSize);
    if (end < 0) return content;
    const line = bytes.subarray(content.completeSize, end);
    content.completeSize = end + 1;
    const entry = decodeEntry(line.toString());
    if (!entry) content.damaged.push(line);
    else if ('intend' in entry) {
      // A record that is intended once more counts from there.
      if (content.open.delete(entry.intend.id)) content.compactible = true;
      content.open.set(entry.intend.id, { record: entry.intend, line: `${line}\n` });
    } else {
      content.open.delete(entry.clean);
      content.compactible = true;
    }
  }
}

function decodeEntry(line: string): JournalEntry | undefined {
  const json = line.slice(CHECKSUM_LENGTH + 1);
  if (line.slice(0, CHECKSUM_LENGTH + 1) !== `${checksum(json)} `) return undefined;
  try {
    const entry = JSON.parse(json);
    return typeof entry.intend?.id === 'string' || typeof entry.clean === 'string' ? entry : undefined;
  } catch {
    return undefined;
  }
}

function checksum(json: string): string {
  return sha256(json).slice(0, CHECKSUM_LENGTH);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
