#!/usr/bin/env node
import { exitCodes, processIo } from './io.js';
import { main } from './program.js';

let lostOutput = false;
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // A reader such as `head` that has seen enough is no error of ours, and changes nothing about the verdict.
    lostOutput ||= error.code !== 'EPIPE';
  });
}
const exitCode = await main(process.argv.slice(2), processIo());
process.exitCode = exitCode;
// What could not be written is known only after the streams are flushed.
process.once('beforeExit', () => {
  if (lostOutput && exitCode === exitCodes.Passed) process.exitCode = exitCodes.Error;
});
