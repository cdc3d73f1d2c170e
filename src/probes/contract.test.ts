import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Ajv } from 'ajv';
import type { JsonSchema } from '../api/schema.js';
import { judge } from '../stats/expectation.js';
import { bundleProbeWorker, type ProbeWorkerBundle } from '../testing/probe-worker.js';
import { probes } from './index.js';
import { type ProbePorts, ProbeRunner } from './runner.js';

/** A service that answers while it is well, and a Deployment that says so; both over real sockets. */
let well = true;
let bundle: ProbeWorkerBundle;
let server: Server;
let port: number;

beforeAll(async () => {
  bundle = await bundleProbeWorker();
  server = createServer((request, response) => {
    if (request.url === '/healthz') response.writeHead(well ? 200 : 503).end();
    else response.end(JSON.stringify({ status: well ? { availableReplicas: 2 } : {} }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => {
  bundle.remove();
  server.close();
});

const ports: ProbePorts = {
  resolveService: async () => ({ addresses: ['127.0.0.1'], ports: { 80: port } }),
  readResource: async ({ kind, name }) => {
    const response = await fetch(`http://127.0.0.1:${port}/${kind}/${name}`);
    return { object: await response.json() };
  },
};

/** Every field of a schema, with its path. */
function fieldsOf(schema: JsonSchema, path: string): [string, JsonSchema][] {
  const inner = Object.entries(schema.properties ?? {}).flatMap(([name, field]) => fieldsOf(field, `${path}.${name}`));
  return [[path, schema], ...inner];
}

describe.each(probes)('the $name probe', (probe) => {
  const { spec, expect: expectation } = probe.example;

  test('describes every field of its own by name', () => {
    for (const [path, { description }] of fieldsOf(probe.schema.json, probe.name)) {
      const field = path.split('.').at(-1);
      expect([path, description]).toEqual([path, expect.stringMatching(`^(${field} |One |A )`)]);
    }
  });

  test('has an example that its schema admits, with every default written out', () => {
    const validate = new Ajv({ strict: false, useDefaults: true, formats: { int32: true } }).compile(probe.schema.json);
    const filled = structuredClone(spec);
    expect([validate(filled), validate.errors]).toEqual([true, null]);
    expect(filled).toEqual(spec);
  });

  test('holds on a service that is well, and is violated by one that is not', async () => {
    const runner = new ProbeRunner({ workerUrl: bundle.url, ports, policy: { blockLoopback: false, blocked: [] } });
    try {
      runner.start({
        id: 'example',
        probe: { name: 'example', expect: expectation, [probe.name]: spec },
        namespace: 'shop',
      });
      for (const wellNow of [true, false]) {
        well = wellNow;
        runner.reset('example');
        const verdict = () => judge(expectation, runner.window('example').summary(), { minimum: probe.minimumSamples });
        while (verdict().held === undefined) await sleep(20);
        expect([wellNow, verdict()]).toEqual([wellNow, expect.objectContaining({ held: wellNow })]);
      }
    } finally {
      well = true;
      await runner.close();
    }
  }, 20_000);
});
