import { generate } from './command.js';

process.exitCode = generate(process.argv.slice(2), '.', { say: console.log, complain: console.error });
