import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';
import { ANNOTATION_EXPECTED_VERDICT } from '../api/labels.js';
import { verdicts } from '../api/reasons.js';
import { rightsOf } from '../controller/authorization/rights.js';
import { validateCommand } from './validate.js';

const files = readdirSync('experiments').filter((name) => name.endsWith('.yaml'));
const experiments = files.map((file) => ({ file, experiment: parse(readFileSync(join('experiments', file), 'utf8')) }));
const shop = parseAllDocuments(readFileSync('experiments/shop/shop.yaml', 'utf8')).map((document) => document.toJS());
const ofKind = (kind: string) => shop.filter((object) => object.kind === kind);

describe('the experiments of the demo', () => {
  test('are valid', async () => {
    let problems = '';
    const stderr = { write: (text: string) => (problems += text) };
    const code = await validateCommand(['experiments'], {}, { stdout: { write: () => true }, stderr, color: false });
    expect([code, problems]).toEqual([0, '']);
  });

  test.each(experiments)('$file is named like its experiment and says its verdict', ({ file, experiment }) => {
    expect(experiment.metadata.name).toBe(basename(file, '.yaml'));
    expect(experiment.metadata.namespace).toBe('shop');
    expect(verdicts).toContain(experiment.metadata.annotations[ANNOTATION_EXPECTED_VERDICT]);
  });

  test('hold at least one that passes and one that finds a weakness', () => {
    const expected = experiments.map(({ experiment }) => experiment.metadata.annotations[ANNOTATION_EXPECTED_VERDICT]);
    expect(expected).toEqual(expect.arrayContaining(['Passed', 'Failed', 'Inconclusive']));
  });

  test('are all in the README with the verdict they expect', () => {
    const readme = readFileSync('experiments/README.md', 'utf8');
    const rows = [...readme.matchAll(/^\| \[.*\]\((.+)\) +\|.*\| (\w+)[^|]*\|$/gm)].map(([, file, verdict]) => [
      file,
      verdict,
    ]);
    const expected = experiments.map(({ file, experiment }) => [
      file,
      experiment.metadata.annotations[ANNOTATION_EXPECTED_VERDICT],
    ]);
    expect(rows.sort()).toEqual(expected.sort());
  });
});

/** What the files themselves grant to the account `shop/chaos`: `Role or ClusterRole verb group resource name`. */
function granted(): Set<string> {
  const bound = shop.flatMap(({ kind, roleRef, subjects }) =>
    kind.endsWith('Binding') && subjects.some((each: { name: string }) => each.name === 'chaos') ? [roleRef.name] : [],
  );
  const roles = shop.filter(({ kind, metadata }) => kind.endsWith('Role') && bound.includes(metadata.name));
  return new Set(
    roles.flatMap(({ kind, rules }) =>
      rules.flatMap(({ verbs, apiGroups, resources, resourceNames = ['*'] }: Record<string, string[]>) =>
        (verbs ?? []).flatMap((verb) =>
          (resources ?? []).flatMap((resource) =>
            resourceNames.map((name) => `${kind} ${verb} ${apiGroups?.[0]} ${resource} ${name}`),
          ),
        ),
      ),
    ),
  );
}

test('the account of the experiments may do what they need and nothing else', () => {
  const plurals: Record<string, string> = { Deployment: 'deployments' };
  const needed = experiments.flatMap(({ experiment }) => {
    expect(experiment.spec.serviceAccountName).toBe('chaos');
    return rightsOf(experiment.spec, 'shop', ({ apiVersion, kind }) => ({
      group: apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '',
      plural: plurals[kind] ?? kind,
      namespaced: true,
    }));
  });
  const words = needed.map(({ verb, group, resource, subresource, name = '*', namespace }) => {
    const path = subresource === undefined ? resource : `${resource}/${subresource}`;
    return `${namespace === undefined ? 'ClusterRole' : 'Role'} ${verb} ${group} ${path} ${name}`;
  });
  expect(granted()).toEqual(new Set(words));
});

describe('the shop', () => {
  test('creates every Service before the first Deployment, whose containers get its address', () => {
    const order = shop.map(({ kind }) => kind);
    expect(order.lastIndexOf('Service')).toBeLessThan(order.indexOf('Deployment'));
    expect(ofKind('Service').map(({ metadata }) => metadata.name)).toEqual(
      ofKind('Deployment').map(({ metadata }) => metadata.name),
    );
  });

  test('listens where no root is needed', () => {
    for (const { spec } of ofKind('Service')) expect(spec.ports[0].port).toBeGreaterThanOrEqual(1024);
  });

  test('holds no text in its program that Kubernetes would take for a variable', () => {
    expect(ofKind('ConfigMap')[0].data['server.js']).not.toMatch(/\$\(|\$\$/);
  });
});
