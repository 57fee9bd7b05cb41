// The TLS policy of the tool, in the words that all versions since 3.4 share.
import { exchange, mounts } from '../run/exchange.ts';
import type { ToolSettings } from '../run/request.ts';

/** Since 4.0 a policy is for the one purpose that it is called after. */
export const enablePolicy = 'dbms.ssl.policy.backup.enabled=true';

/**
 * Key, certificate and authority are found by their names below the base directory. The files of a Secret come as links
 * beside folders with dots in their names, and 3.4 takes whatever lies in `trusted` for a certificate: so the one there is
 * in a folder of its own, and revoked ones are looked for elsewhere.
 */
export function policySettings({ verifyHostname }: NonNullable<ToolSettings['tls']>): readonly string[] {
  const settings = {
    base_directory: mounts.tls,
    revoked_dir: `${mounts.exchange}/${exchange.revoked}`,
    // Both are the default; said, since this is what it is all for.
    client_auth: 'REQUIRE',
    trust_all: 'false',
    ...(verifyHostname === undefined ? {} : { verify_hostname: String(verifyHostname) }),
  };
  return Object.entries(settings).map(([name, value]) => `dbms.ssl.policy.backup.${name}=${value}`);
}
