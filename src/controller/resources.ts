import { customResource } from '../kubernetes/resource.js';

/** Where Squall's kinds are served. */
export const experiments = customResource('experiments', 'Experiment', true);
export const experimentRuns = customResource('experimentruns', 'ExperimentRun', true);
export const injections = customResource('injections', 'Injection', true);
export const safetyPolicies = customResource('safetypolicies', 'SafetyPolicy', false);
