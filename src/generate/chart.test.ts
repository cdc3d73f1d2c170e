import { expect, test } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { inOrder, installation } from '../cli/install/objects.js';
import type { KubeObject } from '../kubernetes/resource.js';
import { chartFiles } from './chart.js';

/** What Helm makes of the few template expressions that the chart has, for these values. */
function render(text: string): KubeObject[] {
  const plain = text
    .replace(/^ *\{\{- with .Values.imagePullSecrets \}\}\n(.*\n){4} *\{\{- end \}\}\n/gm, '')
    .replaceAll('{{ .Release.Namespace }}', 'squall-system')
    .replaceAll('{{ include "squall.image" . }}', 'registry.example/squall:1')
    .replaceAll('{{ .Values.image.pullPolicy }}', 'Always')
    .replaceAll('{{ .Values.controller.replicas }}', '3')
    .replace(/^\{\{- (if .*|end) \}\}\n/gm, '');
  expect(plain).not.toContain('{{');
  return parseAllDocuments(plain).flatMap((document) => (document.contents === null ? [] : [document.toJS()]));
}

test('the chart installs what `squall install` installs, but for the namespace, which Helm makes', () => {
  const files = chartFiles();
  const rendered = ['crds', 'controller', 'agents'].flatMap((name) =>
    render(files.get(`charts/squall/templates/${name}.yaml`) ?? ''),
  );
  const wanted = inOrder(
    installation({
      namespace: 'squall-system',
      image: 'registry.example/squall:1',
      imagePullPolicy: 'Always',
      imagePullSecrets: [],
      agents: true,
      replicas: 3,
    }),
  ).filter(({ kind }) => kind !== 'Namespace');
  const key = ({ kind, metadata }: KubeObject) => `${kind}/${metadata.name}`;
  const withoutPolicy = ({ metadata, ...rest }: KubeObject) => {
    const { annotations: _kept, ...others } = metadata;
    return { ...rest, metadata: others };
  };
  expect(rendered.map(key)).toEqual(wanted.map(key));
  expect(rendered.map(withoutPolicy)).toEqual(wanted.map((each) => JSON.parse(JSON.stringify(withoutPolicy(each)))));
});

test('uninstalling the release keeps the kinds, which hold experiments', () => {
  const crds = render(chartFiles().get('charts/squall/templates/crds.yaml') ?? '');
  expect(crds).toHaveLength(4);
  for (const { metadata } of crds) expect(metadata.annotations).toEqual({ 'helm.sh/resource-policy': 'keep' });
});

test('the schema of the values knows every value, so that a typo is refused', () => {
  const files = chartFiles();
  const values = parseAllDocuments(files.get('charts/squall/values.yaml') ?? '')[0]?.toJS();
  const schema = JSON.parse(files.get('charts/squall/values.schema.json') ?? '');
  for (const [name, value] of Object.entries(values)) {
    const property = schema.properties[name];
    expect(property).toBeDefined();
    if (property.type === 'object') expect(Object.keys(property.properties)).toEqual(Object.keys(value as object));
  }
  expect(schema.additionalProperties).toBe(false);
});
