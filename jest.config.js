const shared = {
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { target: 'es2022', parser: { syntax: 'typescript' }, experimental: { keepImportAttributes: true } },
        module: { type: 'es6' },
      },
    ],
  },
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
};

const kernelTests = '\\.kernel\\.test\\.ts$';

/** Projects, so that `npm run e2e` runs against any cluster, and `npm run test:kernel` where one is root on Linux. */
export default {
  maxWorkers: 2,
  workerIdleMemoryLimit: '1GB',
  projects: [
    {
      ...shared,
      displayName: 'unit',
      testMatch: ['<rootDir>/src/**/*.test.ts'],
      testPathIgnorePatterns: [kernelTests],
    },
    {
      ...shared,
      displayName: 'kernel',
      testMatch: ['<rootDir>/src/**/*.kernel.test.ts'],
      setupFilesAfterEnv: ['<rootDir>/src/testing/measure-again.ts'],
    },
    { ...shared, displayName: 'virtual-machine', testMatch: ['<rootDir>/e2e/kernel/*.test.ts'] },
    { ...shared, displayName: 'crash', testMatch: ['<rootDir>/e2e/crash/*.test.ts'] },
    { ...shared, displayName: 'e2e', testMatch: ['<rootDir>/e2e/*.test.ts'] },
  ],
};
