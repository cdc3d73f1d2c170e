import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { runConditions } from '../api/experiment-run.js';
import { reasons, verdicts } from '../api/reasons.js';
import type { JsonSchema } from '../api/schema.js';
import { kinds } from '../catalogue.js';
import { faults } from '../faults/index.js';
import { probes } from '../probes/index.js';
import { compileSchema } from '../sandbox/schema/index.js';
import { generatedFiles } from './files.js';

const files = generatedFiles();
const contentOf = (path: string) => files.get(path) ?? '';
const crdOf = (plural: string) => parse(contentOf(`crds/squall.dev_${plural}.yaml`));
const schemaOf = (plural: string): JsonSchema => crdOf(plural).spec.versions[0].schema.openAPIV3Schema;

/** Every schema node below `spec` and `status`, with its path. */
function nodes(schema: JsonSchema, path: string): [string, JsonSchema][] {
  const children: [string, JsonSchema][] = Object.entries(schema.properties ?? {}).map(([name, child]) => [
    `${path}.${name}`,
    child,
  ]);
  if (schema.items) children.push([`${path}[]`, schema.items]);
  if (schema.additionalProperties) children.push([`${path}.*`, schema.additionalProperties]);
  return [[path, schema], ...children.flatMap(([below, child]) => nodes(child, below))];
}

function own(plural: string): [string, JsonSchema][] {
  const { spec, status } = schemaOf(plural).properties ?? {};
  return [...nodes(spec ?? {}, 'spec'), ...nodes(status ?? {}, 'status')];
}

/** The field paths that the tables of a page list, from its headings and first cells. */
function documentedFields(page: string): string[] {
  let object = '';
  return page.split('\n').flatMap((line) => {
    const heading = /^### `(.+)`$/.exec(line);
    if (heading?.[1]) object = heading[1];
    if (/^##+ [^`]/.test(line)) object = '';
    const field = /^\| `(\w+)` \|/.exec(line);
    return field && object !== '' ? [`${object}.${field[1]}`] : [];
  });
}

const examples = [...files].flatMap(([path, content]) =>
  [...content.matchAll(/```yaml\n(.*?)```/gs)].map(([, text]) => ({ path, object: parse(text ?? '') })),
);

describe('the generated CRDs', () => {
  test.each(kinds.map(({ plural }) => plural))(
    '%s compiles within the cost budget and fits kubectl apply',
    (plural) => {
      expect(() => compileSchema(schemaOf(plural))).not.toThrow();
      expect(contentOf(`crds/squall.dev_${plural}.yaml`).length).toBeLessThan(256 * 1024);
      expect(contentOf(`crds/squall.dev_${plural}.yaml`)).toMatch(/^# Generated .* do not edit/);
    },
  );

  test.each(kinds.map(({ plural }) => plural))('every field of %s has a description', (plural) => {
    const bare = own(plural).filter(([, { description }]) => !description);
    expect(bare.map(([path]) => path)).toEqual([]);
  });

  test.each(kinds.map(({ plural }) => plural))('every string, list and map of %s is bounded', (plural) => {
    const unbounded = own(plural).filter(
      ([, { type, enum: words, maxLength, maxItems, additionalProperties, maxProperties }]) =>
        (type === 'string' && !words && maxLength === undefined) ||
        (type === 'array' && maxItems === undefined) ||
        (additionalProperties && maxProperties === undefined),
    );
    expect(unbounded.map(([path]) => path)).toEqual([]);
  });

  test.each(kinds.map(({ plural }) => plural))('no number with a fraction is in the spec of %s', (plural) => {
    const numbers = own(plural).filter(([path, { type }]) => path.startsWith('spec') && type === 'number');
    expect(numbers.map(([path]) => path)).toEqual([]);
  });

  test('what is shared is written out: a CRD holds no YAML anchors', () => {
    for (const [path, content] of files) {
      if (path.startsWith('crds/')) expect(content).not.toMatch(/: [&*]\w+$/m);
    }
  });
});

describe('the reference', () => {
  const elsewhere = [...faults, ...probes].map(({ name }) => name);

  test.each(kinds)('lists the fields of $kind, all of them and no others', ({ kind, plural }) => {
    const inSchema = own(plural)
      .filter(([path]) => /\.\w+$/.test(path))
      .map(([path]) => path)
      .filter((path) => !elsewhere.some((name) => path.includes(`.${name}.`)))
      .filter((path) => !path.startsWith('spec.template.'));
    expect(documentedFields(contentOf(`docs/reference/${kind.toLowerCase()}.md`)).sort()).toEqual(inSchema.sort());
  });

  test.each([
    { page: 'faults', catalogue: faults },
    { page: 'probes', catalogue: probes },
  ])('lists the $page, all of them with all their fields and no others', ({ page, catalogue }) => {
    const text = contentOf(`docs/reference/${page}.md`);
    expect([...text.matchAll(/^## (\w+)$/gm)].map(([, name]) => name)).toEqual(catalogue.map(({ name }) => name));
    const fields = catalogue.flatMap(({ name, schema }) => nodes(schema.json, name).map(([path]) => path));
    expect(documentedFields(text).sort()).toEqual(fields.filter((path) => /\.\w+$/.test(path)).sort());
  });

  test('lists the reasons, all of them with their verdict and no others', () => {
    const rows = [...contentOf('docs/reference/verdicts.md').matchAll(/^\| `(\w+)` \| `(\w+)` \|/gm)];
    const listed = rows.map(([, verdict, reason]) => `${reason} ${verdict}`);
    expect(listed.sort()).toEqual(
      Object.entries(reasons)
        .map(([reason, { verdict }]) => `${reason} ${verdict}`)
        .sort(),
    );
  });

  test('gives every verdict one exit code', () => {
    const rows = [...contentOf('docs/reference/verdicts.md').matchAll(/^\| (\d) \| `(\w+)` \|/gm)];
    expect(rows.map(([, , verdict]) => verdict)).toEqual([...verdicts]);
    expect(new Set(rows.map(([, code]) => code)).size).toBe(verdicts.length);
  });

  test('documents only conditions of a run that the code sets', () => {
    const sources = readdirSync('src/domain').filter((name) => /(?<!\.test)\.ts$/.test(name));
    const text = sources.map((name) => readFileSync(`src/domain/${name}`, 'utf8')).join('\n');
    for (const type of Object.keys(runConditions)) expect(text).toMatch(new RegExp(`setCondition\\(\\s*'${type}'`));
  });

  test('leads nowhere that is not there', () => {
    const headings = (path: string) =>
      [...contentOf(path).matchAll(/^#+ (.*)$/gm)].map(([, text]) =>
        (text ?? '')
          .toLowerCase()
          .replace(/[^-\w ]/g, '')
          .replaceAll(' ', '-'),
      );
    for (const [path, content] of files) {
      for (const [, page, target] of content.matchAll(/\]\(([\w.]*)#([-\w]+)\)/g)) {
        const place = page ? `docs/reference/${page}` : path;
        expect(headings(place)).toContain(target);
      }
    }
  });
});

describe('the examples', () => {
  test('begin every page and section', () => {
    const { length } = examples;
    expect(length).toBe(kinds.length + faults.length + probes.length);
  });

  test.each(examples)('of $path are valid', ({ object }) => {
    const kind = kinds.find((each) => each.kind === object.kind);
    expect(kind).toBeDefined();
    const applied = compileSchema(schemaOf(kind?.plural ?? '')).apply(object);
    expect(applied.errors).toEqual([]);
    expect(applied.unknown).toEqual([]);
    expect(kind?.check?.((applied.object as { spec: unknown }).spec) ?? []).toEqual([]);
  });
});
