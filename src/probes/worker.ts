import { parentPort, workerData } from 'node:worker_threads';
import { Evaluator } from './cel.js';
import type { FromEvaluator, FromSender, ToEvaluator, ToSender, WorkerSettings } from './protocol.js';
import { Sender } from './sender.js';

// The entry of both kinds of worker thread.
const settings = workerData as WorkerSettings;
const port = parentPort;
if (port === null) throw new Error('runs in a worker thread only');

if (settings.role === 'sender') {
  const sender = new Sender(settings.policy, (message: FromSender) => port.postMessage(message));
  port.on('message', (message: ToSender) => sender.receive(message));
} else {
  const evaluator = new Evaluator();
  port.on('message', ({ expression, variables }: ToEvaluator) => {
    port.postMessage({ type: 'outcome', outcome: evaluator.evaluate(expression, variables) } satisfies FromEvaluator);
  });
}
port.postMessage({ type: 'ready' });
