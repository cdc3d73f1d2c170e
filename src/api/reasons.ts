/** What a run can end with. */
export const verdicts = ['Passed', 'Failed', 'Inconclusive', 'Aborted', 'Error'] as const;
/** The verdict of a finished run. */
export type Verdict = (typeof verdicts)[number];

/** What each verdict says, to a person. */
export const verdictMeanings: Readonly<Record<Verdict, string>> = {
  Passed: 'The hypothesis held, and the faults demonstrably took effect.',
  Failed: 'The hypothesis did not hold: a weakness was found.',
  Inconclusive: 'It was not tested, because …',
  Aborted: 'Somebody stopped it.',
  Error: 'Squall could not do its work, or can not prove that everything is back as it was.',
};

/**
 * Every reason a run can end with, the verdict it gives, and what it means to a person. `cleanup` marks those that
 * outrank every other: something may still be broken.
 */
export const reasons = {
  HypothesisHeld: {
    verdict: 'Passed',
    meaning: 'Every probe had its samples in every stage and held; every step took effect.',
  },
  HypothesisViolated: { verdict: 'Failed', meaning: 'A probe did not hold during the fault.' },
  RecoveryTooSlow: { verdict: 'Failed', meaning: 'The steady state was not back in time after the fault.' },
  BaselineUnmet: {
    verdict: 'Inconclusive',
    meaning: 'The steady state did not hold before the fault; nothing was injected.',
  },
  NoTargets: { verdict: 'Inconclusive', meaning: 'No candidate was left for a step; nothing was injected.' },
  FaultNotEffective: { verdict: 'Inconclusive', meaning: 'No target of a step showed the effect of its fault.' },
  NotEnoughSamples: { verdict: 'Inconclusive', meaning: 'A probe had too few samples in a stage to judge it.' },
  BlockedBySafety: {
    verdict: 'Inconclusive',
    meaning: 'A safeguard or a SafetyPolicy refused the run; nothing was injected.',
  },
  NotAuthorized: {
    verdict: 'Inconclusive',
    meaning: "The experiment's service account lacks a right; nothing more was injected.",
  },
  NotSupported: {
    verdict: 'Inconclusive',
    meaning:
      'A node or pod can not carry the fault, such as with a kernel without netem or peers without an address; nothing was injected.',
  },
  FaultLost: {
    verdict: 'Inconclusive',
    meaning:
      'A fault vanished before its time, and `onDrift` is `End` or somebody else took it away: it was only tested for a part of it.',
  },
  Halted: { verdict: 'Aborted', meaning: 'A SafetyPolicy halts all experiments.' },
  AbortedByUser: { verdict: 'Aborted', meaning: '`spec.abort` was set, or the run was deleted.' },
  Superseded: { verdict: 'Aborted', meaning: 'A newer run of the same experiment took its place.' },
  InjectionFailed: { verdict: 'Error', meaning: 'A fault could not be applied.' },
  InvalidTemplate: { verdict: 'Error', meaning: 'The template can not be run as written; nothing was injected.' },
  AgentMissing: { verdict: 'Error', meaning: 'The agent that carries a fault was not there, or went away.' },
  ControllerLost: {
    verdict: 'Error',
    meaning: 'An agent had not seen the controller alive for 30s and took its fault back.',
  },
  Timeout: { verdict: 'Error', meaning: 'The run did not reach the end of its fault within `timeout`.' },
  CleanupFailed: { verdict: 'Error', cleanup: true, meaning: 'A fault could not be taken back.' },
  CleanupUnproven: { verdict: 'Error', cleanup: true, meaning: 'It could not be proven that a fault is gone.' },
} as const satisfies Record<string, { verdict: Verdict; meaning: string; cleanup?: true }>;

/** The reason of a verdict. */
export type Reason = keyof typeof reasons;
