import type { KernelCase } from './kernel-case.js';
import { netemCases } from './netem-cases.js';

/** All that is run in the virtual machine. */
export const kernelCases: readonly KernelCase[] = [...netemCases];
