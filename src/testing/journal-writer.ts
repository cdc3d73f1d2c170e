import { Journal } from '../agent/journal.js';
import { journalRecord } from './journal-records.js';

// Writes records until it is killed, several at once, and says on stdout what was acknowledged: `+id`, and `-id` before
// it asks to close one.
const journal = await Journal.open(process.argv[2] ?? '');
const say = (text: string) => process.stdout.write(`${text}\n`);
const writers = [0, 1, 2, 3].map(async (writer) => {
  for (let count = 0; ; count++) {
    const id = `${writer}${count.toString(16).padStart(7, '0')}`;
    await journal.intend(journalRecord(id));
    say(`+${id}`);
    if (count % 3 === 0) continue;
    say(`-${id}`);
    await journal.clean(id);
  }
});
await Promise.all(writers);
