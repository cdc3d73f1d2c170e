import { silence } from '../domain/agents.js';
import type { Client } from '../kubernetes/client.js';
import { ApiError } from '../kubernetes/errors.js';
import { NodeReader, type NodeRecord } from './node-reader.js';

/** How old what is known of a node may be before it is read again, while a run needs it. */
const REFRESH_MILLISECONDS = 5_000;
/** Nothing is asked for sooner than this after it failed. */
const RETRY_MILLISECONDS = 2_000;

interface Wish {
  namespace: string;
  nodes: ReadonlySet<string>;
}

/**
 * Keeps what runs need to know of nodes and their agents: read while a run asks for it, every few seconds. Thousands of
 * agents renew their Leases all the time, so that watching these would cost more than all else together.
 */
export class NodeWatch {
  readonly reader: NodeReader;
  readonly #wishes = new Map<string, Wish>();
  readonly #nodes = new Map<string, NodeRecord>();
  readonly #namespaces = new Map<string, { readAt: number; refusal: string | undefined }>();
  #timer: NodeJS.Timeout | undefined;
  #reading = false;
  #refusal: string | undefined;

  /** `onChange` gets the UID of a run for which something it asked for has become known, or has changed. */
  constructor(
    readonly client: Client,
    namespace: string,
    readonly onChange: (runUid: string) => void,
    readonly onError: (error: unknown) => void,
  ) {
    this.reader = new NodeReader(client, namespace);
  }

  /** How many runs ask for nodes. */
  get size(): number {
    return this.#wishes.size;
  }

  /** Why nothing can be known: the controller may not read it. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** Has these nodes known for a run whose pods are in that namespace from now on, and no others. */
  ensure(runUid: string, namespace: string, nodes: readonly string[]): void {
    if (nodes.length === 0) {
      this.stop(runUid);
      return;
    }
    const before = this.#wishes.get(runUid);
    this.#wishes.set(runUid, { namespace, nodes: new Set(nodes) });
    // What another run has asked for is news to this one, and is told once.
    if (nodes.some((name) => this.#nodes.has(name) && !before?.nodes.has(name))) this.onChange(runUid);
    if (this.#due().nodes.length > 0 || !this.#namespaces.has(namespace)) this.#schedule(0);
  }

  node(name: string): NodeRecord | undefined {
    return this.#nodes.get(name);
  }

  /** Why no sidecar may be added to pods of a namespace, if that is known; `undefined` inside: one may. */
  namespace(name: string): { refusal: string | undefined } | undefined {
    return this.#namespaces.get(name);
  }

  stop(runUid: string): void {
    this.#wishes.delete(runUid);
    if (this.#wishes.size === 0) this.#forget();
  }

  stopAll(): void {
    this.#wishes.clear();
    this.#forget();
  }

  #forget(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#nodes.clear();
    this.#namespaces.clear();
    this.#refusal = undefined;
  }

  /** What has to be read now. */
  #due(): { nodes: string[]; namespaces: string[] } {
    const before = this.client.clock.now() - REFRESH_MILLISECONDS;
    const isDue = (readAt = Number.NEGATIVE_INFINITY) => readAt <= before;
    const wishes = [...this.#wishes.values()];
    const nodes = new Set(wishes.flatMap((wish) => [...wish.nodes]));
    const spaces = new Set(wishes.map(({ namespace }) => namespace));
    return {
      nodes: [...nodes].filter((name) => isDue(this.#nodes.get(name)?.readAt)),
      namespaces: [...spaces].filter((name) => isDue(this.#namespaces.get(name)?.readAt)),
    };
  }

  #schedule(after: number): void {
    if (this.#reading) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#refresh(), after);
    this.#timer.unref();
  }

  async #refresh(): Promise<void> {
    this.#reading = true;
    const due = this.#due();
    let next = REFRESH_MILLISECONDS;
    try {
      const spaces = await Promise.all(
        due.namespaces.map(async (name) => [name, await this.reader.namespaceRefusal(name)] as const),
      );
      const records = await this.reader.read(due.nodes);
      this.#take(records, spaces);
      this.#refusal = undefined;
    } catch (error) {
      this.onError(error);
      next = RETRY_MILLISECONDS;
      if (error instanceof ApiError && error.isForbidden) this.#refuse(error.message);
    }
    this.#reading = false;
    if (this.#wishes.size === 0) this.#forget();
    else this.#schedule(this.#hasUnknown() ? 0 : next);
  }

  #hasUnknown(): boolean {
    return this.#refusal === undefined && this.#due().nodes.some((name) => !this.#nodes.has(name));
  }

  #refuse(message: string): void {
    if (this.#refusal === message) return;
    this.#refusal = message;
    for (const uid of this.#wishes.keys()) this.onChange(uid);
  }

  #take(
    records: ReadonlyMap<string, NodeRecord>,
    spaces: readonly (readonly [name: string, refusal: string | undefined])[],
  ): void {
    const news = new Set(
      [...records].flatMap(([name, record]) => (isNews(name, this.#nodes.get(name), record) ? [name] : [])),
    );
    const newSpaces = new Set(spaces.flatMap(([name]) => (this.#namespaces.has(name) ? [] : [name])));
    const readAt = this.client.clock.now();
    for (const [name, record] of records) this.#nodes.set(name, record);
    for (const [name, refusal] of spaces) this.#namespaces.set(name, { readAt, refusal });
    const wanted = new Set([...this.#wishes.values()].flatMap((wish) => [...wish.nodes]));
    for (const name of this.#nodes.keys()) if (!wanted.has(name)) this.#nodes.delete(name);
    this.reader.keep(wanted);
    for (const [uid, { nodes, namespace }] of this.#wishes) {
      if (newSpaces.has(namespace) || [...nodes].some((name) => news.has(name))) this.onChange(uid);
    }
  }
}

/** Whether a run may decide otherwise because of this. What had not been read for long counts as not known. */
function isNews(name: string, before: NodeRecord | undefined, after: NodeRecord): boolean {
  if (!before || after.readAt - before.readAt > 2 * REFRESH_MILLISECONDS) return true;
  const isSilent = (record: NodeRecord) =>
    silence(name, { ...record, refusals: {}, sidecarRefusals: {} }) !== undefined;
  return isSilent(before) !== isSilent(after) || before.abilities !== after.abilities || before.bootId !== after.bootId;
}
