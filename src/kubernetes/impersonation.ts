import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';

/** What a kubeconfig's user may say of whom it acts as. */
interface KubeconfigUser {
  as?: string;
  'as-uid'?: string;
  'as-groups'?: string[];
  'as-user-extra'?: Record<string, string[]>;
}

/**
 * The headers by which a user of a kubeconfig acts as another (`as`, `as-uid`, `as-groups`, `as-user-extra`); client-node
 * knows the first of these only. The first file that names the user counts, as in kubectl.
 */
export async function impersonationHeaders(
  files: readonly string[],
  userName: string,
): Promise<Record<string, string | string[]>> {
  for (const file of files) {
    const { users } = (parse(await readFile(file, 'utf8')) ?? {}) as {
      users?: { name: string; user?: KubeconfigUser }[];
    };
    const entry = users?.find(({ name }) => name === userName);
    if (entry) return headersOf(entry.user ?? {});
  }
  return {};
}

function headersOf(user: KubeconfigUser): Record<string, string | string[]> {
  const { as, 'as-uid': uid, 'as-groups': groups, 'as-user-extra': extra } = user;
  const headers: Record<string, string | string[]> = {};
  if (as) headers['Impersonate-User'] = as;
  if (uid) headers['Impersonate-Uid'] = uid;
  if (groups?.length) headers['Impersonate-Group'] = groups;
  for (const [key, values] of Object.entries(extra ?? {})) {
    headers[`Impersonate-Extra-${encodeURIComponent(key)}`] = values;
  }
  return headers;
}
