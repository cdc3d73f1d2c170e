import { Meter } from './meter.js';
import { isPaused, Spaces } from './spaces.js';
import type { StationRequest } from './station.js';

// In a process of its own: that of the clusters is large and busy, which would show in every measurement, and starting
// programs from a large process is slow.
const spaces = new Spaces();
const meter = await Meter.open();

const answers = {
  read: (address: string, peer: string) => meter.read(address, peer),
  dial: (address: string, peer: string) => meter.dial(address, peer),
  open: (uid: string) => spaces.open(uid),
  close: (uid: string) => spaces.close(uid),
  run: (uid: string, program: string, ...args: string[]) => spaces.run(uid, program, ...args),
  state: (uid: string, name: string) => spaces.state(uid, name),
  isPaused: async (uid: string) => isPaused(uid),
};

/** What can be asked of it. */
export type Answers = typeof answers;

process.on('message', ({ id, what, args }: StationRequest) => {
  const answer = answers[what] as (...args: string[]) => Promise<unknown>;
  answer(...args).then(
    (result) => process.send?.({ id, result }),
    (error: Error) => process.send?.({ id, error: error.message }),
  );
});
process.on('disconnect', () => process.exit());
