import { parseArgs } from 'node:util';
import { sidecarCommand } from '../cli/sidecar.js';

/** What `squall` is to a sidecar, as a process of its own: `sidecar hold --fault ORDER`, `sidecar revert --fault ORDER`. */
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { fault: { type: 'string', default: '' }, alone: { type: 'boolean', default: false } },
});
process.exitCode = await sidecarCommand(positionals[1] === 'hold' ? 'hold' : 'revert', values, process);
