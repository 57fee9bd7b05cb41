import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { plain } from './plain.ts';

const canary = 'cAnArY-7Zq4';
const keyBody =
  'MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\nMzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDu==';

describe('what a text is left with', () => {
  interface Case {
    readonly name: string;
    readonly text: string;
    readonly is: string;
  }
  const cases: readonly Case[] = [
    { name: 'colours', text: '\u001b[1;31mNo space\u001b[0m left', is: 'No space left' },
    { name: 'a cursor that goes back over what was said', text: 'good\u001b[2K\u001b[1Gbad', is: 'goodbad' },
    { name: 'a title for the window', text: 'a\u001b]0;owned\u0007b', is: 'ab' },
    { name: 'a title that does not end', text: 'a\u001b]0;owned', is: 'a' },
    { name: 'a link', text: '\u001b]8;;http://x\u001b\\here\u001b]8;;\u001b\\', is: 'here' },
    { name: 'what is sent to a device', text: 'a\u001bPq#0\u001b\\b', is: 'ab' },
    { name: 'sequences of one byte', text: 'a\u009b31mb\u009d0;x\u009cc', is: 'abc' },
    { name: 'half a sequence', text: 'a\u001b[3', is: 'a' },
    { name: 'a lone escape', text: 'a\u001b', is: 'a' },
    { name: 'zero bytes', text: 'a\0b', is: 'a b' },
    { name: 'bells and backspaces', text: 'a\u0007\b\u007fb', is: 'a b' },
    { name: 'lines', text: ' a\r\n\tb\u2028c\u2029d\u0085e ', is: 'a b c d e' },
    { name: 'text that runs backwards', text: 'a\u202Eexe.\u202C\u2066b\u2069\u200F', is: 'aexe.b' },
    { name: 'what has no width', text: 'a\u200Bb\uFEFFc\u00ADd\u{E0041}', is: 'abcd' },
    { name: 'halves of characters', text: 'a\uD800b', is: 'a\uFFFDb' },
    { name: 'letters of all the world', text: 'Señal 𝛼 数据库 💾', is: 'Señal 𝛼 数据库 💾' },
  ];
  test.each(cases)('$name', ({ text, is }) => {
    expect(plain(text)).toBe(is);
  });

  test('is printable and of one line', () => {
    const unit = fc.oneof(
      fc.constantFrom('\u001b[', '\u001b]', '\u001b\\', '\u009b', '\u0007', '\0', '\r', '\u202e', '\ud83d'),
      fc.constantFrom('://', 'a:b@', 'password=', '"', 'token: ', '-----BEGIN PRIVATE KEY-----', 'eyJ', '='),
      fc.string({ unit: 'binary', maxLength: 3 }),
      fc.string({ maxLength: 20 }),
    );
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 200 }), (units) => {
        const text = plain(units.join(''));
        expect(text).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
        expect(text.length).toBeLessThanOrEqual(8192);
      }),
    );
  });
});

describe('a credential', () => {
  interface Case {
    readonly name: string;
    readonly text: string;
  }
  const cases: readonly Case[] = [
    { name: 'in a URL', text: `cannot open bolt://neo4j:${canary}@10.0.0.7:7687/x` },
    { name: 'in a URL without a user', text: `https://:${canary}@example.com` },
    { name: 'in a URL, with an @ in it', text: `https://neo4j:p@ss${canary}@example.com/` },
    { name: 'in a URL, with a slash in it', text: `https://neo4j:p/${canary}@example.com/` },
    { name: 'before a host', text: `connecting as neo4j:${canary}@db.example.com` },
    { name: 'after an equals sign', text: `password=${canary}` },
    { name: 'with blanks around it', text: `Password : ${canary}, user: neo4j` },
    { name: 'in quotes', text: `"password": "${canary} and more", "x": 1` },
    { name: 'in quotes that do not end', text: `password='${canary}` },
    { name: 'of a setting', text: `dbms.ssl.policy.backup.private_key_password=${canary}` },
    { name: 'of the environment', text: `NEO4J_AUTH_PASSWORD=${canary} HOME=/` },
    { name: 'of AWS', text: `AWS_SECRET_ACCESS_KEY=${canary}` },
    { name: 'of AWS, by its look', text: `AKIA${'Q'.repeat(6)}${canary.toUpperCase()}` },
    { name: 'in a header', text: `Authorization: Bearer ${canary}` },
    { name: 'of Basic', text: `authorization="Basic ${canary}"` },
    { name: 'as a bearer', text: `used bearer ${canary} for it` },
    { name: 'as an option', text: `--admin-password ${canary}` },
    { name: 'as an option with an equals sign', text: `--api-token=${canary}` },
    { name: 'as a token of the API server', text: `eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.${canary}` },
    { name: 'of GitHub', text: `ghp_${canary.replace('-', '')}` },
    { name: 'in colours', text: `pass\u001b[31mword=\u001b[0m${canary}` },
    { name: 'with what has no width in its name', text: `pass\u200bword=${canary}` },
    { name: 'as a key', text: `-----BEGIN RSA PRIVATE KEY-----\n${canary}\n-----END RSA PRIVATE KEY-----` },
    { name: 'as a key that is cut', text: `-----BEGIN PRIVATE KEY-----\n${canary}` },
    { name: 'as an encrypted key', text: `x -----BEGIN ENCRYPTED PRIVATE KEY-----${canary}-----END` },
    { name: 'as a line of a key', text: `${keyBody.slice(0, 53)}${canary.replace('-', '')}` },
    { name: 'as the last line of a key', text: `${canary.replace('-', '')}MzEfYyjiWA4R4==` },
  ];
  test.each(cases)('$name does not get through', ({ text }) => {
    const left = plain(text);
    expect(left.toLowerCase()).not.toContain(canary.toLowerCase());
    expect(left.toLowerCase()).not.toContain(canary.replace('-', '').toLowerCase());
    expect(left).toContain('[redacted]');
  });

  test.each([
    'Expected:StoreId{creationTime=1795377992990, randomId=-2323087646029544878, storeVersion=16094931155187206}',
    'java.net.ConnectException: Connection refused: /127.0.0.1:6399',
    'java.io.IOException: No space left on device',
    'java.io.FileNotFoundException: /backup/orders/.staging/orders-1.7d1e6f0e-0000-4000-8000-000000000001.00000000-0000-4000-8000-000000000001/first/data/temp-copy/neostore.labeltokenstore.db (No such file or directory)',
    'The destination holds store 1a2b-ffffffffffffffff, the server has store 1a2b-3c4d',
    'Failed to pull image "registry.example.com:5000/neo4j@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef": not found',
    'orders:6362 (10.0.0.7) refuses connections. On the server, set dbms.backup.address=0.0.0.0:6362',
    'The Secret orders-tls does not exist; a token was not needed',
  ])('is not seen where there is none: %s', (text) => {
    expect(plain(text)).toBe(text);
  });
});
