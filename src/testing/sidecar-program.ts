import { sidecarCommand } from '../cli/sidecar.js';

/** A sidecar as a process of its own: `hold ORDER`, `revert ORDER`, `revert ORDER --alone`. */
const [what = '', fault = '', alone] = process.argv.slice(2);
process.exitCode = await sidecarCommand(
  what === 'hold' ? 'hold' : 'revert',
  { fault, alone: alone !== undefined },
  process,
);
