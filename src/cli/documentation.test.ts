import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';
import { reasons, verdicts } from '../api/reasons.js';
import { kinds } from '../catalogue.js';
import { rightsOf } from '../controller/authorization/rights.js';
import { generatedFiles } from '../generate/files.js';
import { readManifests } from './manifest/manifests.js';

const examples = readdirSync('docs/examples').map((name) => join('docs/examples', name));
const pages = readdirSync('docs')
  .filter((name) => name.endsWith('.md'))
  .map((name) => join('docs', name))
  .concat('README.md', 'experiments/README.md');
const generated = generatedFiles();

/** The text of a page, also of one that is generated. */
function textOf(page: string): string | undefined {
  return generated.get(page) ?? (existsSync(page) ? readFileSync(page, 'utf8') : undefined);
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  );
}

/** The YAML that a page shows. */
function blocksOf(text: string): string[] {
  return [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, block = '']) => block);
}

describe.each(pages)('%s', (page) => {
  const text = textOf(page) ?? '';

  test('links only to what is there', () => {
    const links = [...text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(([, link = '']) => link);
    const broken = links.filter((link) => {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? page : join(dirname(page), path);
      const found = existsSync(target) && !target.endsWith('.md') ? '' : textOf(target);
      return found === undefined || (anchor !== undefined && !anchorsOf(found).includes(anchor));
    });
    expect(broken).toEqual([]);
  });

  test('shows only valid objects of Squall', async () => {
    const blocks = blocksOf(text).filter((block) => /^apiVersion: squall\.dev/m.test(block) && !block.includes('…'));
    for (const block of blocks) {
      const { problems } = await readManifests(['-'], Readable.from([block]));
      expect(problems).toEqual([]);
    }
  });
});

describe('the examples', () => {
  test('are valid', async () => {
    expect((await readManifests(examples)).problems).toEqual([]);
  });

  test.each([
    ['docs/examples/production.yaml', [readFileSync('docs/examples/production.yaml', 'utf8')]],
    ['README.md', blocksOf(readFileSync('README.md', 'utf8'))],
  ])('of %s give the account of an experiment the rights it needs and no others', (_, texts) => {
    const objects = texts.flatMap((text) => parseAllDocuments(text).map((each) => each.toJS()));
    const { spec } = objects.find(({ kind }) => kind === 'Experiment');
    const { rules } = objects.find(({ kind }) => kind === 'Role');
    const needed = rightsOf(spec, 'shop', ({ apiVersion }) => ({
      group: apiVersion.split('/')[0] ?? '',
      plural: 'deployments',
      namespaced: true,
    }));
    const granted = rules.flatMap(({ verbs, apiGroups, resources, resourceNames = [] }: Record<string, string[]>) => [
      [verbs?.[0], apiGroups?.[0], resources?.[0], resourceNames[0]],
    ]);
    const words = needed.map(({ verb, group, resource, name }) => [verb, group, resource, name]);
    expect(granted.sort()).toEqual(words.sort());
  });

  test('tell Argo CD of kinds, fields and words that there are', () => {
    const checks = Object.entries<string>(parse(readFileSync('docs/examples/argo-cd.yaml', 'utf8')).data);
    expect(checks.map(([key]) => key.split('_').at(-1))).toEqual(['Experiment', 'ExperimentRun', 'SafetyPolicy']);
    for (const [key, lua] of checks) {
      const kind = kinds.find((each) => key === `resource.customizations.health.squall.dev_${each.kind}`);
      const fields = [...lua.matchAll(/\bstatus\.(\w+)/g)].map(([, field]) => field);
      expect(Object.keys(kind?.status.json.properties ?? {})).toEqual(expect.arrayContaining(fields));
      const words = [...lua.matchAll(/(?:verdict|reason) == "(\w+)"/g)].map(([, word]) => word);
      expect([...verdicts, ...Object.keys(reasons)]).toEqual(expect.arrayContaining(words));
    }
  });
});
