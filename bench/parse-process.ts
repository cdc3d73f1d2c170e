import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

// The least that anything which reads a snapshot has to do: every document of a file, one after the other.
const [, , file = ''] = process.argv;
let objects = 0;
for (const text of readFileSync(file, 'utf8').split('\n---\n')) if (parse(text)) objects += 1;
process.stdout.write(`${objects}\n`);
