import type { Counters } from './proxy.js';

/** The first argument of every proxy, and the first word of its process title. */
export const MARKER = 'squall-tcp-delay';

/** What a proxy says of itself, in its process title: whoever may see processes can read it, also after a crash. */
export interface Status extends Counters {
  /** Nothing more will change; the process only waits until this has been read. */
  ended: boolean;
}

/** The title of the proxy of one fault, such as `squall-tcp-delay 1a2b3c4d connections=7 open=2 cut=0`. */
export function titleOf(id: string, { connections, open, cut, ended }: Status): string {
  return `${MARKER} ${id} connections=${connections} open=${open} cut=${cut}${ended ? ' ended' : ''}`;
}

const TITLE = /^[0-9a-f]{8} connections=(\d+) open=(\d+) cut=(\d+)( ended)?$/;
const STARTING = { connections: 0, open: 0, cut: 0, ended: false };

/**
 * Reads /proc/PID/cmdline: the arguments a proxy was started with, or the title it has put over them.
 *
 * @returns the status of the proxy with that id; undefined when the process is anything else
 */
export function statusFrom(commandLine: string, id: string): Status | undefined {
  const text = commandLine.replace(/\0+$/, '').replaceAll('\0', ' ');
  const at = text.indexOf(`${MARKER} ${id} `);
  if (at < 0) return undefined;
  const title = TITLE.exec(text.slice(at + MARKER.length + 1));
  if (!title) return { ...STARTING };
  const [, connections, open, cut, ended] = title;
  return { connections: Number(connections), open: Number(open), cut: Number(cut), ended: ended !== undefined };
}
