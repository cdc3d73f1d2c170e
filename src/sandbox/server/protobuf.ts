import { badRequest } from '../api-error.js';
import type { Json } from '../store/types.js';

/** The media type that kubectl sends some small objects in, whatever the server says it takes. */
export const PROTOBUF = 'application/vnd.kubernetes.protobuf';

const MAGIC = Buffer.from('k8s\0');
const [VARINT, FIXED64, BYTES, FIXED32] = [0, 1, 2, 5];

/**
 * Fields by number, from the `generated.proto` files of Kubernetes: `s` string, `i` integer, `b` boolean, `{s}` a map of
 * strings, the name of another entry, `[…]` a list. Fields that are left out here are passed over.
 */
const MESSAGES: Record<string, Record<number, string>> = {
  Unknown: { 1: 'typeMeta:TypeMeta', 2: 'raw:raw' },
  TypeMeta: { 1: 'apiVersion:s', 2: 'kind:s' },
  Entry: { 1: 'key:s', 2: 'value:s' },
  ObjectMeta: { 1: 'name:s', 2: 'generateName:s', 3: 'namespace:s', 11: 'labels:{s}', 12: 'annotations:{s}' },

  Namespace: { 1: 'metadata:ObjectMeta' },
  ServiceAccount: { 1: 'metadata:ObjectMeta', 4: 'automountServiceAccountToken:b' },
  Role: { 1: 'metadata:ObjectMeta', 2: 'rules:[PolicyRule]' },
  ClusterRole: { 1: 'metadata:ObjectMeta', 2: 'rules:[PolicyRule]', 3: 'aggregationRule:AggregationRule' },
  PolicyRule: {
    1: 'verbs:[s]',
    2: 'apiGroups:[s]',
    3: 'resources:[s]',
    4: 'resourceNames:[s]',
    5: 'nonResourceURLs:[s]',
  },
  AggregationRule: { 1: 'clusterRoleSelectors:[LabelSelector]' },
  LabelSelector: { 1: 'matchLabels:{s}', 2: 'matchExpressions:[SelectorTerm]' },
  SelectorTerm: { 1: 'key:s', 2: 'operator:s', 3: 'values:[s]' },
  RoleBinding: { 1: 'metadata:ObjectMeta', 2: 'subjects:[Subject]', 3: 'roleRef:RoleReference' },
  ClusterRoleBinding: { 1: 'metadata:ObjectMeta', 2: 'subjects:[Subject]', 3: 'roleRef:RoleReference' },
  Subject: { 1: 'kind:s', 2: 'apiGroup:s', 3: 'name:s', 4: 'namespace:s' },
  RoleReference: { 1: 'apiGroup:s', 2: 'kind:s', 3: 'name:s' },

  SubjectAccessReview: { 1: 'metadata:ObjectMeta', 2: 'spec:AccessReviewSpec' },
  LocalSubjectAccessReview: { 1: 'metadata:ObjectMeta', 2: 'spec:AccessReviewSpec' },
  SelfSubjectAccessReview: { 1: 'metadata:ObjectMeta', 2: 'spec:AccessReviewSpec' },
  AccessReviewSpec: {
    1: 'resourceAttributes:ResourceAttributes',
    2: 'nonResourceAttributes:PathAttributes',
    3: 'user:s',
    4: 'groups:[s]',
    6: 'uid:s',
  },
  ResourceAttributes: {
    1: 'namespace:s',
    2: 'verb:s',
    3: 'group:s',
    4: 'version:s',
    5: 'resource:s',
    6: 'subresource:s',
    7: 'name:s',
  },
  PathAttributes: { 1: 'path:s', 2: 'verb:s' },
  SelfSubjectRulesReview: { 1: 'metadata:ObjectMeta', 2: 'spec:RulesReviewSpec' },
  RulesReviewSpec: { 1: 'namespace:s' },
  SelfSubjectReview: { 1: 'metadata:ObjectMeta' },
  TokenRequest: { 1: 'metadata:ObjectMeta', 2: 'spec:TokenRequestSpec' },
  TokenRequestSpec: { 1: 'audiences:[s]', 2: 'boundObjectRef:BoundObject', 4: 'expirationSeconds:i' },
  BoundObject: { 1: 'kind:s', 2: 'apiVersion:s', 3: 'name:s', 4: 'uid:s' },
};

/**
 * Reads an object that `kubectl create` and `kubectl auth` send in protobuf; undefined for kinds that are not among the
 * few known here. Throws 400 for what is cut off or was never one.
 */
export function readProtobuf(bytes: Buffer): Record<string, Json> | undefined {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw badRequest('the body of the request is not a Kubernetes protobuf');
  }
  const { typeMeta, raw } = readMessage('Unknown', bytes.subarray(MAGIC.length));
  const kind = typeMeta?.kind ?? '';
  if (!Object.hasOwn(MESSAGES, kind)) {
    return undefined;
  }
  return { ...typeMeta, ...readMessage(kind, raw ?? Buffer.alloc(0)) };
}

function readMessage(name: string, bytes: Buffer): Record<string, Json> {
  const fields = MESSAGES[name]!;
  const message: Record<string, Json> = {};
  for (let position = 0; position < bytes.length; ) {
    const tag = readVarint(bytes, position);
    const { value, end } = readValue(bytes, tag.end, tag.value & 7);
    const field = fields[tag.value >>> 3];
    if (field !== undefined) {
      const colon = field.indexOf(':');
      setField(message, field.slice(0, colon), field.slice(colon + 1), value);
    }
    position = end;
  }
  return message;
}

function setField(message: Record<string, Json>, key: string, type: string, value: number | Buffer): void {
  if (type === '{s}') {
    const entry = decode('Entry', value);
    message[key] = { ...message[key], [entry.key ?? '']: entry.value ?? '' };
  } else if (type.startsWith('[')) {
    message[key] = [...(message[key] ?? []), decode(type.slice(1, -1), value)];
  } else {
    const decoded = decode(type, value);
    // Go writes empty strings and messages for fields that were never set.
    if (decoded !== '' && !(isMessage(type) && Object.keys(decoded).length === 0)) {
      message[key] = decoded;
    }
  }
}

function isMessage(type: string): boolean {
  return Object.hasOwn(MESSAGES, type);
}

function decode(type: string, value: number | Buffer): Json {
  if (typeof value === 'number') {
    return type === 'b' ? value !== 0 : value;
  }
  if (type === 'raw') {
    return value;
  }
  return isMessage(type) ? readMessage(type, value) : value.toString('utf8');
}

function readValue(bytes: Buffer, start: number, wireType: number): { value: number | Buffer; end: number } {
  if (wireType === VARINT) {
    return readVarint(bytes, start);
  }
  if (wireType === FIXED64 || wireType === FIXED32) {
    return slice(bytes, start, wireType === FIXED64 ? 8 : 4);
  }
  if (wireType !== BYTES) {
    throw badRequest('the protobuf of the request cannot be read');
  }
  const length = readVarint(bytes, start);
  return slice(bytes, length.end, length.value);
}

function slice(bytes: Buffer, start: number, length: number): { value: Buffer; end: number } {
  const end = start + length;
  if (end > bytes.length) {
    throw badRequest('the protobuf of the request is cut off');
  }
  return { value: bytes.subarray(start, end), end };
}

function readVarint(bytes: Buffer, start: number): { value: number; end: number } {
  let value = 0;
  for (let position = start; position < Math.min(bytes.length, start + 10); position += 1) {
    const byte = bytes[position]!;
    value += (byte & 0x7f) * 2 ** (7 * (position - start));
    if (byte < 0x80) {
      return { value, end: position + 1 };
    }
  }
  throw badRequest('the protobuf of the request is cut off');
}
