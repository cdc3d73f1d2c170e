import { createHash } from 'node:crypto';
import type { ResourceType } from '../resources/resource-type.js';
import type { Catalogue } from '../resources/served-kinds.js';
import type { Json } from '../store/types.js';
import { VERSION } from './discovery.js';

const ROOT = '/openapi/v3';

/** Parameters that kubectl looks for before it trusts the server to validate fields and to rehearse. */
const WRITE_PARAMETERS = ['dryRun', 'fieldManager', 'fieldValidation'].map((name) => ({
  name,
  in: 'query',
  schema: { type: 'string', uniqueItems: true },
}));
const ANSWER = { 200: { description: 'OK' } };

/**
 * `/openapi/v3` and its documents, one for each group and version: paths and operations with their kinds, without
 * schemas. That is what `kubectl apply` needs. Undefined for other paths.
 */
export function openApi(catalogue: Catalogue, path: string): Json {
  if (path === ROOT || path === `${ROOT}/`) {
    return index(catalogue);
  }
  const match = /^\/openapi\/v3\/(?:api\/([^/]+)|apis\/([^/]+)\/([^/]+))$/.exec(path);
  if (match === null) {
    return undefined;
  }
  const types = catalogue.of(match[2] ?? '', match[3] ?? match[1]!);
  return types.length === 0 ? undefined : documentOf(types);
}

/** The Content-Type of the older OpenAPI document, which exists in protobuf only. */
export const OPENAPI_V2_TYPE = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

/**
 * `/openapi/v2` without any path or schema: `kubectl apply` falls back to it for a `List`, passes over kinds it doesn't
 * find there, and refuses to go on without it. A gnostic `openapi_v2.Document` with `swagger`, `info` and `paths`.
 */
export const OPENAPI_V2_DOCUMENT = protobuf([
  [1, Buffer.from('2.0')],
  [
    2,
    protobuf([
      [1, Buffer.from('Kubernetes')],
      [2, Buffer.from(VERSION.gitVersion)],
    ]),
  ],
  [8, Buffer.alloc(0)],
]);

/** Length-delimited protobuf fields of up to 127 bytes each. */
function protobuf(fields: [number: number, value: Buffer][]): Buffer {
  return Buffer.concat(fields.flatMap(([number, value]) => [Buffer.from([(number << 3) | 2, value.length]), value]));
}

function index(catalogue: Catalogue): Json {
  const paths: Json = {};
  const versions = [{ name: '', versions: ['v1'] }, ...catalogue.groups()];
  for (const { name, versions: served } of versions) {
    for (const version of served) {
      const key = name === '' ? `api/${version}` : `apis/${name}/${version}`;
      const kinds = catalogue.of(name, version).map((type) => `${type.kind}/${type.plural}`);
      const hash = createHash('sha256').update(kinds.join()).digest('hex').slice(0, 32).toUpperCase();
      paths[key] = { serverRelativeURL: `${ROOT}/${key}?hash=${hash}` };
    }
  }
  return { paths };
}

function documentOf(types: ResourceType[]): Json {
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: VERSION.gitVersion },
    paths: Object.assign({}, ...types.map(pathsOf)),
    components: { schemas: {} },
  };
}

function pathsOf({ group, version, kind, plural, namespaced }: ResourceType): Json {
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const collection = `${root}${namespaced ? '/namespaces/{namespace}' : ''}/${plural}`;
  const operation = (action: string, parameters: Json[] = []) => ({
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': { group, version, kind },
    parameters,
    responses: ANSWER,
  });
  return {
    [collection]: {
      get: operation('list'),
      post: operation('post', WRITE_PARAMETERS),
      delete: operation('deletecollection'),
    },
    [`${collection}/{name}`]: {
      get: operation('get'),
      put: operation('put', WRITE_PARAMETERS),
      patch: operation('patch', WRITE_PARAMETERS),
      delete: operation('delete'),
    },
  };
}
