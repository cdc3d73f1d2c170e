// An agent that does nothing but to pause processes, and to hold that: `node agent.mjs GUARD PID…`. Prints a line once it is on.
import { PauseGuard } from '../agent/signals/guard.js';
import { pauseHandler } from '../agent/signals/pause-handler.js';
import { placeOf } from './process-places.js';

const [program = '', ...pids] = process.argv.slice(2);
const guard = new PauseGuard({ program, warn: (message) => process.stderr.write(`${message}\n`) });
const handler = pauseHandler(guard);
const place = placeOf(() => pids.map(Number));
const inputs = { exempt: [] };

const undo = await handler.prepare({ do: 'pause', processes: { which: { pattern: '' } } }, place, '0badcafe', inputs);
await handler.apply(undo, place, inputs);
await handler.hold(undo, place, inputs);
process.stdout.write(`${JSON.stringify({ guard: await guard.pid() })}\n`);
setInterval(() => handler.hold(undo, place, inputs), 1_000);
