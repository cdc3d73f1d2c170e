import { createInterface } from 'node:readline';
import type { Inputs } from '../agent/handler.js';
import type { Place } from '../agent/place.js';
import { runProgram } from '../agent/run-program.js';
import { TcpDelayHandler, type TcpDelayUndo } from '../agent/tcp-delay/handler.js';
import type { Times } from '../agent/tcp-delay/protocol.js';

// As much of an agent as holds one TCP delay, in a process of its own that can be killed: puts it on, says so, and holds.
interface Settings {
  program: string;
  times: Times;
  undo: TcpDelayUndo;
  inputs: Inputs;
  place: Pick<Place, 'pod' | 'networkNamespace' | 'podIPs' | 'enter'>;
}

const { program, times, undo, inputs, place: where } = JSON.parse(process.argv[2] ?? '{}') as Settings;
const [enter = '', ...rest] = where.enter;
const place: Place = {
  ...where,
  run: (name, args, options) => runProgram(enter, [...rest, name, ...args], options),
  processes: async () => [],
};
const handler = new TcpDelayHandler({ program, times });
await handler.apply(undo, place, inputs);
console.log(JSON.stringify(await handler.hold(undo, place, inputs)));
setInterval(() => void handler.hold(undo, place, inputs), 1_000);
createInterface({ input: process.stdin }).on('close', () => process.exit());
