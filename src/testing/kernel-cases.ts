import { abilityCases } from './ability-cases.js';
import { filterCases } from './filter-cases.js';
import type { KernelCase } from './kernel-case.js';
import { netemCases } from './netem-cases.js';
import { shapingCases } from './shaping-cases.js';

/** All that is run in the virtual machine. */
export const kernelCases: readonly KernelCase[] = [...abilityCases, ...shapingCases, ...netemCases, ...filterCases];
