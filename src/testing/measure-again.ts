import { jest } from '@jest/globals';

// Shares, rates and delays are measured on a machine that does other things too: what fails is told, and tried once more.
jest.retryTimes(1, { logErrorsBeforeRetry: true });
