/** Something that is not ours, or a limit, is in the way; nothing was done. The message says what would help. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
}
