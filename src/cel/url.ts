import type { Environment } from '@marcbachmann/cel-js';

const SYNTAX = /^(?:([a-zA-Z][a-zA-Z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#.*)?$/s;
const BAD_CHARACTERS = /[\0-\x20\x7f]|%(?![0-9a-fA-F]{2})/;

/** An absolute URI or an absolute path, split as Go's `url.ParseRequestURI` does: nothing is normalized. */
export class Url {
  constructor(
    readonly scheme: string,
    readonly host: string,
    readonly path: string,
    readonly query: string,
  ) {}
}

/** @throws when the text is neither an absolute URI nor an absolute path */
export function parseUrl(text: string): Url {
  const match = BAD_CHARACTERS.test(text) ? null : SYNTAX.exec(text);
  const [, scheme = '', authority = '', path = '', query = ''] = match ?? [];
  if (!match || (scheme === '' && !text.startsWith('/')))
    throw new Error(
      `URL parse error during conversion from string: parse ${JSON.stringify(text)}: invalid URI for request`,
    );
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  if (!/^([^:[\]]*|\[[^[\]]*\])(:\d*)?$/.test(host))
    throw new Error(`URL parse error during conversion from string: invalid host ${JSON.stringify(host)}`);
  return new Url(scheme.toLowerCase(), host, path, query);
}

function isUrl(text: string): boolean {
  try {
    parseUrl(text);
    return true;
  } catch {
    return false;
  }
}

function hostName({ host }: Url): string {
  return host.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1');
}

function port({ host }: Url): string {
  return /:(\d*)$/.exec(host)?.[1] ?? '';
}

function queryMap({ query }: Url): Map<string, string[]> {
  const values = new Map<string, string[]>();
  for (const [name, value] of new URLSearchParams(query)) values.set(name, [...(values.get(name) ?? []), value]);
  return values;
}

/** Adds the `url()` library of Kubernetes' CEL. */
export function registerUrl(environment: Environment): void {
  environment
    .registerType('URL', { ctor: Url, fields: {} })
    .registerFunction('url(string): URL', parseUrl, { async: false })
    .registerFunction('isURL(string): bool', isUrl, { async: false })
    .registerFunction('URL.getScheme(): string', (url: Url) => url.scheme, { async: false })
    .registerFunction('URL.getHost(): string', (url: Url) => url.host, { async: false })
    .registerFunction('URL.getHostname(): string', hostName, { async: false })
    .registerFunction('URL.getPort(): string', port, { async: false })
    .registerFunction('URL.getEscapedPath(): string', (url: Url) => url.path, { async: false })
    .registerFunction('URL.getQuery(): map<string, list<string>>', queryMap, { async: false })
    .registerOperator(
      'URL == URL',
      (a: Url, b: Url) => a.scheme === b.scheme && a.host === b.host && a.path === b.path && a.query === b.query,
    );
}
