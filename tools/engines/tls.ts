// Neo4j 3.4.18 with TLS on its backup port, and certificates for it. The published server and tool lack one piece of that,
// which engines/java-tls adds; what reads the policy, the keys and the certificates is Neo4j's own.
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { exchange, mounts } from '../../src/run/exchange.ts';
import { cached, hashOf } from '../cache.ts';
import type { Engine } from '../engines.ts';
import { must } from '../run.ts';

const sources = join(import.meta.dirname, 'java-tls');

/** The same version, whose server and tool keep to `dbms.backup.ssl_policy`, with the program `Cluster`. */
export async function withTLS(on: Engine): Promise<Engine> {
  const classes = await cached(`neo4j-${on.version}-tls`, hashOf([sources], [on.jars]), async (folder) => {
    const programs = ['TlsHandlers', 'Cluster'].map((name) => join(sources, `${name}.java`));
    const flags = ['--release', '8', '-nowarn', '-Xlint:none'];
    await must(['javac', ...flags, '-cp', `${on.jars}/*`, '-d', folder, ...programs]);
    cpSync(join(sources, 'META-INF'), join(folder, 'META-INF'), { recursive: true });
  });
  return { ...on, classes: [classes, on.classes].join(delimiter) };
}

interface Wanted {
  readonly name: string;
  /** Name of the certificate that signs it. Absent: it signs itself, as an authority. */
  readonly by?: string;
  readonly key?: 'rsa' | 'ec';
  /** Days that it holds from now on. */
  readonly days?: number;
}

/** Makes `<name>.crt` and `<name>.key`, the latter as PKCS#8. A signed one is for 127.0.0.1, and may have expired. */
export async function makeCertificate(folder: string, wanted: Wanted): Promise<void> {
  const { name, by, key = 'rsa', days = 365 } = wanted;
  const at = (file: string): string => join(folder, file);
  const newKey = key === 'rsa' ? ['rsa:2048'] : ['ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  const request = ['openssl', 'req', '-newkey', ...newKey, '-noenc', '-keyout', at(`${name}.key`)].concat([
    '-subj',
    `/CN=${name}`,
  ]);
  if (by === undefined) {
    await must([...request, '-x509', '-days', String(days), '-out', at(`${name}.crt`)]);
    return;
  }
  const extensions = ['basicConstraints=critical,CA:FALSE', 'subjectAltName=IP:127.0.0.1'];
  const csr = at(`${name}.csr`);
  await must([...request, ...extensions.flatMap((extension) => ['-addext', extension]), '-out', csr]);
  const sign = ['openssl', 'x509', '-req', '-in', csr, '-days', String(days), '-copy_extensions', 'copyall'];
  const authority = ['-CA', at(`${by}.crt`), '-CAkey', at(`${by}.key`), '-CAcreateserial'];
  await must([...sign, ...authority, '-out', at(`${name}.crt`)]);
}

/** What a policy consists of: names of files. */
export interface Material {
  readonly key?: string;
  readonly certificate?: string;
  readonly trusted?: string;
}

/** Lays out a policy's base directory as Neo4j wants it, and as the Pod of a run has it. */
export function layOut(from: string, to: string, { key, certificate, trusted }: Material): string {
  for (const folder of ['trusted', 'revoked']) mkdirSync(join(to, folder), { recursive: true });
  if (key !== undefined) cpSync(join(from, key), join(to, 'private.key'));
  if (certificate !== undefined) cpSync(join(from, certificate), join(to, 'public.crt'));
  if (trusted !== undefined) cpSync(join(from, trusted), join(to, 'trusted', 'ca.crt'));
  return to;
}

/** A home of the tool with the configuration of the operator, whose paths are those of a Pod: here they are of this machine. */
export function homeWith(
  rendered: string,
  { home, policy }: { readonly home: string; readonly policy: string },
): string {
  const moved = [
    [`=${mounts.temporary}`, `=${home}`],
    [`=${mounts.tls}`, `=${policy}`],
    [`=${mounts.exchange}/${exchange.revoked}`, `=${join(policy, 'revoked')}`],
  ] as const;
  mkdirSync(join(home, 'conf'), { recursive: true });
  writeFileSync(
    join(home, 'conf', 'neo4j.conf'),
    moved.reduce((text, [from, to]) => text.replaceAll(from, to), rendered),
  );
  return home;
}
