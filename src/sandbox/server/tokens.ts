import { createHmac, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { AUTHENTICATED, accountGroups, accountUser, type UserInfo } from '../rbac/request.js';
import type { Json, KubeObject, Store } from '../store/types.js';

/** Whom the tokens of this server are for, unless a TokenRequest says otherwise. */
export const DEFAULT_AUDIENCE = 'https://kubernetes.default.svc.cluster.local';

/** A token to make. */
export interface TokenWish {
  account: KubeObject;
  audiences: readonly string[];
  expires: Date;
  /** The pod whose end is also the token's. */
  pod?: KubeObject;
}

/** A token that is good, and what it is good for. */
export interface TokenOwner {
  user: UserInfo;
  audiences: string[];
}

/** Makes and checks the tokens of service accounts: JSON web tokens, signed with a key that only this server has. */
export interface Tokens {
  issue(wish: TokenWish): string;
  /** Whose token it is; undefined for one that is forged or over, or whose account or pod is gone. */
  verify(token: string): TokenOwner | undefined;
}

const HEADER = encode({ alg: 'HS256', typ: 'JWT' });

/** A fresh key: the tokens of one server are nothing to another. */
export function createTokens(store: Store, now: () => Date): Tokens {
  const key = randomBytes(32);
  const sign = (text: string) => createHmac('sha256', key).update(text).digest();
  return {
    issue(wish) {
      const text = `${HEADER}.${encode(claimsOf(wish, now()))}`;
      return `${text}.${sign(text).toString('base64url')}`;
    },
    verify(token) {
      const [header, payload, signature, ...more] = token.split('.');
      if (signature === undefined || more.length > 0) {
        return undefined;
      }
      const expected = sign(`${header}.${payload}`);
      const given = Buffer.from(signature, 'base64url');
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
        return undefined;
      }
      return ownerOf(store, JSON.parse(Buffer.from(payload!, 'base64url').toString()), now());
    },
  };
}

function encode(value: Json): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function claimsOf({ account, audiences, expires, pod }: TokenWish, now: Date): Json {
  const { namespace, name, uid } = account.metadata;
  const issued = seconds(now);
  return {
    iss: DEFAULT_AUDIENCE,
    sub: accountUser(namespace!, name),
    aud: audiences,
    iat: issued,
    nbf: issued,
    exp: seconds(expires),
    jti: randomUUID(),
    'kubernetes.io': {
      namespace,
      serviceaccount: { name, uid },
      pod: pod && { name: pod.metadata.name, uid: pod.metadata.uid },
      node: pod?.spec?.nodeName && { name: pod.spec.nodeName },
    },
  };
}

function seconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}

function ownerOf(store: Store, claims: Json, now: Date): TokenOwner | undefined {
  const { namespace, serviceaccount, pod, node } = claims['kubernetes.io'];
  const account = store.get('serviceaccounts', namespace, serviceaccount.name);
  if (claims.exp <= seconds(now) || !isSame(account, serviceaccount)) {
    return undefined;
  }
  if (pod !== undefined && !isSame(store.get('pods', namespace, pod.name), pod)) {
    return undefined;
  }
  const extra: Record<string, string[]> = { 'authentication.kubernetes.io/credential-id': [`JTI=${claims.jti}`] };
  if (pod !== undefined) {
    extra['authentication.kubernetes.io/pod-name'] = [pod.name];
    extra['authentication.kubernetes.io/pod-uid'] = [pod.uid];
  }
  if (node !== undefined) {
    extra['authentication.kubernetes.io/node-name'] = [node.name];
  }
  const groups = [...accountGroups(namespace), AUTHENTICATED];
  return { user: { name: claims.sub, uid: serviceaccount.uid, groups, extra }, audiences: claims.aud };
}

function isSame(object: KubeObject | undefined, { uid }: { uid: string }): boolean {
  return object?.metadata.uid === uid;
}
