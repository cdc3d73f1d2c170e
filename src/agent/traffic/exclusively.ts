const turns = new Map<string, Promise<unknown>>();

/**
 * Does work on a network namespace after all earlier work on it is done: one fault must not take the shared root qdisc
 * away while another adds its class.
 */
export async function exclusively<T>(networkNamespace: string, work: () => Promise<T>): Promise<T> {
  const before = turns.get(networkNamespace) ?? Promise.resolve();
  const turn = before.then(work, work);
  const settled = turn.catch(() => {});
  turns.set(networkNamespace, settled);
  try {
    return await turn;
  } finally {
    if (turns.get(networkNamespace) === settled) turns.delete(networkNamespace);
  }
}
