import { LABEL_ALLOWED, LABEL_PROTECTED } from '../../api/labels.js';
import { selects } from '../../api/selector.js';
import type { Candidate } from '../../domain/observed.js';
import type { NamedPolicy } from '../../domain/survey.js';
import type { Context } from '../context.js';

/** All policies as they are now. */
export function policiesOf({ caches }: Pick<Context, 'caches'>): NamedPolicy[] {
  return caches.policies.list().map(({ metadata, spec }) => ({ name: metadata.name, spec }));
}

/** Whether no fault may reach a namespace: kube-system, Squall's own, or one that a policy names. */
export function isProtectedNamespace(context: Pick<Context, 'caches' | 'namespace'>, namespace: string): boolean {
  if (namespace === 'kube-system' || namespace === context.namespace) return true;
  return policiesOf(context).some(({ spec }) => spec.protectedNamespaces?.includes(namespace));
}

/** The namespace of a run, with its labels where they are known. */
export interface RunNamespace {
  name: string;
  labels: Readonly<Record<string, string>>;
}

/** What is looked at of something that may be hit. */
type Labelled = Pick<Candidate, 'namespace' | 'labels'>;

/** Says of what a run may hit why it must not be: it is protected, or not allowed where only what is allowed may be hit. */
export class Protection {
  readonly #isProtected: boolean;
  readonly #protectedLabels: NonNullable<NamedPolicy['spec']['protectedLabels']>;
  readonly #onlyAllowed: boolean;

  constructor(
    context: Pick<Context, 'caches' | 'namespace'>,
    readonly runNamespace: RunNamespace,
  ) {
    const policies = policiesOf(context);
    const { name, labels } = runNamespace;
    this.#isProtected = isProtectedNamespace(context, name) || labels[LABEL_PROTECTED] === 'true';
    this.#protectedLabels = policies.flatMap(({ spec }) => spec.protectedLabels ?? []);
    this.#onlyAllowed = policies.some(({ spec }) => spec.onlyAllowed === true);
  }

  /** Why something must not be hit; undefined: nothing speaks against it. */
  against({ namespace, labels = {} }: Labelled): 'protected' | 'notAllowed' | undefined {
    if (this.#isProtected || this.#protectedLabels.some((selector) => selects(selector, labels))) return 'protected';
    if (!this.#onlyAllowed || labels[LABEL_ALLOWED] === 'true') return undefined;
    // The label of a namespace speaks for what is in it, and not for nodes.
    return namespace !== '' && this.runNamespace.labels[LABEL_ALLOWED] === 'true' ? undefined : 'notAllowed';
  }

  /** Nothing speaks against anything. */
  get isIdle(): boolean {
    return !this.#isProtected && this.#protectedLabels.length === 0 && !this.#onlyAllowed;
  }

  /** A candidate with what speaks against it. */
  mark(candidate: Candidate): Candidate {
    switch (this.against(candidate)) {
      case undefined:
        return candidate;
      case 'protected':
        return { ...candidate, protected: true };
      case 'notAllowed':
        return { ...candidate, obstacle: candidate.obstacle ?? 'notAllowed' };
    }
  }
}

/** The namespace of a run, as the last look at it has shown. */
export function runNamespace(
  { surveyor }: Context,
  { namespace = '', uid }: { namespace?: string; uid: string },
): RunNamespace {
  return { name: namespace, labels: surveyor.survey(uid)?.namespaceLabels ?? {} };
}
