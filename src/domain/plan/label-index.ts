import { type LabelSelector, selects } from '../../api/selector.js';

/** What can be looked for by its labels. */
interface Labelled {
  namespace: string;
  labels: Readonly<Record<string, string>>;
}

/** Finds what a selector picks without trying it on everything: by one of the labels it wants. */
export class LabelIndex<T extends Labelled> {
  readonly #byLabel = new Map<string, T[]>();
  readonly #byNamespace = new Map<string, T[]>();

  constructor(items: readonly T[] = []) {
    for (const item of items) this.add(item);
  }

  add(item: T): void {
    const { namespace, labels } = item;
    push(this.#byNamespace, namespace, item);
    for (const [key, value] of Object.entries(labels)) push(this.#byLabel, labelKey(namespace, key, value), item);
  }

  /** Those of a namespace that a selector picks. */
  picked(namespace: string, selector: LabelSelector): T[] {
    const [wanted] = Object.entries(selector.matchLabels ?? {});
    const near = wanted ? this.#byLabel.get(labelKey(namespace, ...wanted)) : this.#byNamespace.get(namespace);
    return (near ?? []).filter(({ labels }) => selects(selector, labels));
  }
}

/** The other way round: finds the selectors that pick something, without trying all. */
export class SelectorIndex<S extends { namespace: string; selector?: LabelSelector }> {
  readonly #byLabel = new Map<string, S[]>();
  readonly #byNamespace = new Map<string, S[]>();

  constructor(items: readonly S[]) {
    for (const item of items) {
      const [wanted] = Object.entries(item.selector?.matchLabels ?? {});
      if (wanted) push(this.#byLabel, labelKey(item.namespace, ...wanted), item);
      else if (item.selector) push(this.#byNamespace, item.namespace, item);
    }
  }

  /** Those whose selector picks this. */
  of({ namespace, labels }: Labelled): S[] {
    const near = Object.entries(labels).flatMap(
      ([key, value]) => this.#byLabel.get(labelKey(namespace, key, value)) ?? [],
    );
    const all = [...near, ...(this.#byNamespace.get(namespace) ?? [])];
    return all.filter(({ selector }) => selector !== undefined && selects(selector, labels));
  }
}

function push<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const known = lists.get(key);
  if (known) known.push(item);
  else lists.set(key, [item]);
}

function labelKey(namespace: string, key: string, value: string): string {
  return `${namespace} ${key}=${value}`;
}
