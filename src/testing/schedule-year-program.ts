import { simulateExperiments } from './schedule-year.js';

// A process of its own: inside of jest every use of a global such as `Date` takes many times as long.
process.stdout.write(JSON.stringify(simulateExperiments(Number(process.argv[2]))));
