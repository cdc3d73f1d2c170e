import { randomInt } from 'node:crypto';
import { badRequest } from '../api-error.js';

/** No vowels and nothing that looks like one, so that no words come out (apimachinery `util/rand`). */
const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';
const SUFFIX_LENGTH = 5;
const MAX_BASE_LENGTH = 58;
const MOST_TRIES = 8;

/**
 * A name from `generateName` and five random characters that nothing has. After eight tries the last one is given though
 * it is taken, and refused as a real server does (KEP-4420). Throws 400 without a base.
 */
export function generatedName(base: string | undefined, isTaken: (name: string) => boolean = () => false): string {
  for (let tries = 1; ; tries += 1) {
    const name = anyName(base);
    if (tries === MOST_TRIES || !isTaken(name)) return name;
  }
}

function anyName(base: string | undefined): string {
  if (typeof base !== 'string' || base === '') {
    throw badRequest('name or generateName is required');
  }
  let name = base.slice(0, MAX_BASE_LENGTH);
  for (let index = 0; index < SUFFIX_LENGTH; index += 1) {
    name += ALPHABET[randomInt(ALPHABET.length)];
  }
  return name;
}
