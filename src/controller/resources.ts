import { customResource } from '../kubernetes/resource.js';

/** Where Squall's kinds are served. */
export const experiments = customResource('experiments', 'Experiment', true);
export const experimentRuns = customResource('experimentruns', 'ExperimentRun', true);
export const safetyPolicies = customResource('safetypolicies', 'SafetyPolicy', false);

export { injections } from '../kubernetes/resource.js';
