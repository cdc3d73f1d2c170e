import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Json } from '../store/types.js';
import { startTestServer, type TestServer } from './test-server.js';

const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const WIDGETS = '/apis/example.dev/v1/namespaces/default/widgets';
const MERGE = { 'content-type': 'application/merge-patch+json' };
const TABLE = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };

let server: TestServer;

beforeEach(async () => {
  server = await startTestServer();
});

afterEach(() => server.close());

const SCHEMA = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      required: ['size'],
      properties: {
        size: { type: 'integer', minimum: 1, maximum: 10 },
        color: { type: 'string', default: 'red', enum: ['red', 'green'] },
      },
      'x-kubernetes-validations': [
        { rule: 'self.size >= oldSelf.size', message: 'widgets only grow' },
        { rule: "self.size < 9 || self.color == 'green'", message: 'large ones are green' },
      ],
    },
    status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
  },
};

function definition(schema: Json = SCHEMA) {
  const version = {
    served: true,
    subresources: { status: {}, scale: { specReplicasPath: '.spec.size', statusReplicasPath: '.status.size' } },
    additionalPrinterColumns: [
      { name: 'Size', type: 'integer', jsonPath: '.spec.size' },
      { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
      { name: 'Color', type: 'string', jsonPath: '.spec.color', priority: 1 },
    ],
    schema: { openAPIV3Schema: schema },
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'widgets.example.dev' },
    spec: {
      group: 'example.dev',
      scope: 'Namespaced',
      names: { plural: 'widgets', kind: 'Widget', shortNames: ['wd'] },
      versions: [
        { ...version, name: 'v1', storage: true },
        { ...version, name: 'v1beta1', storage: false },
      ],
    },
  };
}

function widget(name: string, spec: Json = { size: 3 }) {
  return { apiVersion: 'example.dev/v1', kind: 'Widget', metadata: { name }, spec };
}

describe('a definition', () => {
  test('is served at once, in discovery too, and says so', async () => {
    expect((await server.call('POST', CRDS, definition())).code).toBe(201);
    expect((await server.call('GET', WIDGETS)).body).toMatchObject({ kind: 'WidgetList', items: [] });
    const { body } = await server.call('GET', '/apis/example.dev/v1');
    expect(body.resources.map((resource: Json) => resource.name)).toEqual([
      'widgets',
      'widgets/status',
      'widgets/scale',
    ]);
    const { body: crd } = await server.call('GET', `${CRDS}/widgets.example.dev`);
    const conditions = crd.status.conditions.map((condition: Json) => `${condition.type}=${condition.status}`);
    expect(conditions).toEqual(['NamesAccepted=True', 'Established=True']);
    expect(crd.status.storedVersions).toEqual(['v1']);
    expect(crd.spec.names).toMatchObject({ singular: 'widget', listKind: 'WidgetList' });
  });

  test.each([
    ['a schema that is not structural', { type: 'object', properties: { spec: { properties: {} } } }],
    [
      'a rule that does not compile',
      { type: 'object', properties: { spec: { type: 'object', 'x-kubernetes-validations': [{ rule: 'self.(' }] } } },
    ],
  ])('is refused with %s', async (_what, schema) => {
    const answer = await server.call('POST', CRDS, definition(schema));
    expect([answer.code, answer.body.reason]).toEqual([422, 'Invalid']);
    expect(answer.body.details.causes[0].message).not.toBe('');
    expect((await server.call('GET', WIDGETS)).code).toBe(404);
  });

  test('is refused when its name does not follow from its parts, or a webhook is to convert', async () => {
    const misnamed = definition();
    misnamed.metadata.name = 'gadgets.example.dev';
    expect((await server.call('POST', CRDS, misnamed)).code).toBe(422);
    const hooked = definition() as Json;
    hooked.spec.conversion = { strategy: 'Webhook' };
    expect((await server.call('POST', CRDS, hooked)).code).toBe(501);
  });

  test('takes its objects with it, after their finalizers, and ends the watches', async () => {
    await server.call('POST', CRDS, definition());
    const held = widget('held') as Json;
    held.metadata.finalizers = ['example.dev/hold'];
    await server.call('POST', WIDGETS, held);
    const watch = await server.watch(`${WIDGETS}?watch=true`);
    await server.call('DELETE', `${CRDS}/widgets.example.dev`);
    expect((await server.call('GET', `${WIDGETS}/held`)).body.metadata.deletionTimestamp).toBeDefined();
    await server.call('PATCH', `${WIDGETS}/held`, { metadata: { finalizers: [] } }, MERGE);
    expect((await server.call('GET', `${CRDS}/widgets.example.dev`)).code).toBe(404);
    expect((await server.call('GET', WIDGETS)).code).toBe(404);
    expect(await watch.ended).toBe('end');
    expect(watch.events.at(-1).type).toBe('DELETED');
  });

  test('that changes changes what is served', async () => {
    const { body } = await server.call('POST', CRDS, definition());
    const { body: present } = await server.call('GET', `${CRDS}/${body.metadata.name}`);
    present.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.size.maximum = 100;
    await server.call('PUT', `${CRDS}/${body.metadata.name}`, present);
    const large = widget('large', { size: 50, color: 'green' });
    expect((await server.call('POST', WIDGETS, large)).code).toBe(201);
  });
});

describe('an object of a custom kind', () => {
  beforeEach(() => server.call('POST', CRDS, definition()));

  test('is pruned and gets the defaults of its schema', async () => {
    const { body, headers } = await server.call('POST', WIDGETS, widget('a', { size: 1, typo: true }));
    expect(body.spec).toEqual({ size: 1, color: 'red' });
    expect(headers.warning).toContain('spec.typo');
    const strict = await server.call('POST', `${WIDGETS}?fieldValidation=Strict`, widget('b', { size: 1, typo: 1 }));
    expect(strict.code).toBe(400);
    const patch = { spec: { typo: 1 } };
    const patched = await server.call('PATCH', `${WIDGETS}/a?fieldValidation=Strict`, patch, MERGE);
    expect([patched.code, patched.body.details.causes]).toEqual([
      422,
      [{ reason: 'FieldValueInvalid', field: 'patch', message: expect.stringContaining('unknown field "spec.typo"') }],
    ]);
  });

  test('is refused with the path of each field that is wrong', async () => {
    const { code, body } = await server.call('POST', WIDGETS, widget('a', { size: 11, color: 'blue' }));
    expect(code).toBe(422);
    expect(body.message).toMatch(/^Widget.example.dev "a" is invalid: /);
    const fields = body.details.causes.map((cause: Json) => cause.field);
    expect(fields).toEqual(expect.arrayContaining(['spec.size', 'spec.color']));
    const rule = await server.call('POST', WIDGETS, widget('a', { size: 9 }));
    expect(rule.body.message).toContain('large ones are green');
  });

  test('is held to transition rules, in patches too', async () => {
    await server.call('POST', WIDGETS, widget('a'));
    const smaller = await server.call('PATCH', `${WIDGETS}/a`, { spec: { size: 2 } }, MERGE);
    expect([smaller.code, smaller.body.details.causes[0].message]).toEqual([
      422,
      expect.stringContaining('widgets only grow'),
    ]);
    const scaled = await server.call('PATCH', `${WIDGETS}/a/scale`, { spec: { replicas: 1 } }, MERGE);
    expect(scaled.code).toBe(422);
    const strategic = { 'content-type': 'application/strategic-merge-patch+json' };
    expect((await server.call('PATCH', `${WIDGETS}/a`, { spec: { size: 4 } }, strategic)).code).toBe(415);
  });

  test('says what version an update was made from', async () => {
    await server.call('POST', WIDGETS, widget('a'));
    expect((await server.call('PUT', `${WIDGETS}/a`, widget('a', { size: 4 }))).code).toBe(422);
  });

  test('has a status of its own, whose changes leave the generation alone', async () => {
    const { body: made } = await server.call('POST', WIDGETS, { ...widget('a'), status: { size: 9 } });
    expect(made.status).toBeUndefined();
    const { body } = await server.call(
      'PATCH',
      `${WIDGETS}/a/status`,
      { status: { size: 3 }, spec: { size: 9 } },
      MERGE,
    );
    expect(body).toMatchObject({ spec: { size: 3 }, status: { size: 3 }, metadata: { generation: 1 } });
    const { body: scale } = await server.call('GET', `${WIDGETS}/a/scale`);
    expect(scale).toMatchObject({ spec: { replicas: 3 }, status: { replicas: 3 } });
  });

  test('is shown in every served version', async () => {
    await server.call('POST', WIDGETS, widget('a'));
    const { body } = await server.call('GET', '/apis/example.dev/v1beta1/namespaces/default/widgets/a');
    expect(body.apiVersion).toBe('example.dev/v1beta1');
    const { body: group } = await server.call('GET', '/apis/example.dev');
    expect(group.preferredVersion.version).toBe('v1');
  });

  test('is shown with the columns of its definition', async () => {
    await server.call('POST', WIDGETS, widget('a'));
    const conditions = [
      { type: 'Other', status: 'Unknown' },
      { type: 'Ready', status: 'True' },
    ];
    await server.call('PATCH', `${WIDGETS}/a/status`, { status: { conditions } }, MERGE);
    const { body } = await server.call('GET', WIDGETS, undefined, TABLE);
    expect(body.columnDefinitions.map((column: Json) => `${column.name}/${column.priority}`)).toEqual([
      'Name/0',
      'Size/0',
      'Ready/0',
      'Color/1',
    ]);
    expect(body.rows[0].cells).toEqual(['a', 3, 'True', 'red']);
  });
});
