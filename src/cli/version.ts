import packageJson from '../../package.json' with { type: 'json' };

/** The version of this build. */
export const version: string = packageJson.version;

/** How our requests can be told apart in an audit log. */
export function userAgent(role: string): string {
  return `squall/${version} (${role}; node ${process.versions.node})`;
}
