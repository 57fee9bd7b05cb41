// Records what `neo4j-admin database check` of the community edition prints, into test/engine/captures/5.26-check:
// `node tools/engines/capture-check.ts`. Needs root, for a full disk. What this edition reads is stores and dumps: what
// reads backup artifacts is in no public package.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kernel, kernelCommand, kernelSays } from '../kernels.ts';
import { must, output } from '../run.ts';
import { steps } from '../steps.ts';

const on = await kernel('5.26.12', steps());
const work = mkdtempSync(join(tmpdir(), 'neo4j-capture-check-'));
const captures = join(import.meta.dirname, '../../test/engine/captures/5.26-check');
rmSync(captures, { recursive: true, force: true });
mkdirSync(captures, { recursive: true });
const at = (...names: readonly string[]): string => join(work, ...names);
for (const folder of ['reports', 'temp', 'conf', 'nothing']) mkdirSync(at(folder));

const settings = { 'server.memory.pagecache.size': '32M', 'db.tx_log.preallocate': 'false' };

async function admin(home: string, args: readonly string[]): ReturnType<typeof output> {
  return output(kernelCommand(on, ['org.neo4j.cli.AdminTool', ...args]), {
    env: { NEO4J_HOME: at(home), NEO4J_CONF: at('conf') },
  });
}

/** Each inconsistency is told of on stdout, too. Of much, both ends are kept. */
const mostCharacters = 20_000;

function cut(text: string): string {
  if (text.length <= mostCharacters) return text;
  const half = mostCharacters / 2;
  return `${text.slice(0, half)}\n[... ${text.length - mostCharacters} characters left out by the recorder ...]\n${text.slice(-half)}`;
}

async function record(name: string, args: readonly string[]): Promise<void> {
  const all = ['database', 'check', `--report-path=${at('reports')}`, ...args];
  const { code, stdout, stderr } = await admin('home', all);
  const plain = (text: string): string => cut(text.replaceAll(work, '/w').replaceAll(/[^\S\n]+$/gm, ''));
  writeFileSync(join(captures, `${name}.cmd`), `neo4j-admin ${plain(all.join(' '))}\n`);
  writeFileSync(join(captures, `${name}.stdout`), plain(stdout));
  writeFileSync(join(captures, `${name}.stderr`), plain(stderr));
  writeFileSync(join(captures, `${name}.rc`), `${code}\n`);
  console.log(name, code);
}

const ofStore = (home: string): readonly string[] => [
  `--from-path-data=${at(home, 'data/databases')}`,
  `--from-path-txn=${at(home, 'data/transactions')}`,
  'neo4j',
];
const ofDump = (folder: string, temp = at('temp')): readonly string[] => [
  `--from-path=${at(folder)}`,
  `--temp-path=${temp}`,
  'neo4j',
];

async function dumpOf(home: string, folder: string): Promise<void> {
  mkdirSync(at(folder));
  const { code, stderr } = await admin(home, ['database', 'dump', `--to-path=${at(folder)}`, 'neo4j']);
  if (code !== 0) throw new Error(stderr);
}

await kernelSays(on, 'Store', { 'x.home': at('home'), 'x.transactions': 30, 'x.index': true, ...settings });
await record('consistent', ofStore('home'));
await record('unknown-database', [...ofStore('home').slice(0, -1), 'orders']);
await dumpOf('home', 'dump');
await record('dump', ofDump('dump'));
await record('dump-unknown-database', [...ofDump('dump').slice(0, -1), 'orders']);
await record('nothing', ofDump('nothing'));
await record('absent', ofDump('absent'));

// The relationships are gone of which nodes tell.
cpSync(at('home'), at('inconsistent'), { recursive: true });
const relationships = at('inconsistent/data/databases/neo4j/neostore.relationshipstore.db');
writeFileSync(relationships, Buffer.alloc(readFileSync(relationships).length));
await record('inconsistent', ofStore('inconsistent'));
await dumpOf('inconsistent', 'dump-inconsistent');
await record('dump-inconsistent', ofDump('dump-inconsistent'));

cpSync(at('home'), at('torn'), { recursive: true });
writeFileSync(at('torn/data/databases/neo4j/neostore'), Buffer.alloc(8192));
await record('torn-neostore', ofStore('torn'));
cpSync(at('home'), at('missing'), { recursive: true });
rmSync(at('missing/data/databases/neo4j/neostore.nodestore.db'));
await record('missing-nodestore', ofStore('missing'));
await record('missing-nodestore-forced', ['--force', ...ofStore('missing')]);

await kernelSays(on, 'Store', { 'x.home': at('killed'), 'x.transactions': 3, 'x.kill': true, ...settings });
await record('needs-recovery', ofStore('killed'));

cpSync(at('dump'), at('dump-cut'), { recursive: true });
truncateSync(at('dump-cut/neo4j.dump'), 2000);
await record('dump-cut', ofDump('dump-cut'));
cpSync(at('dump'), at('dump-flipped'), { recursive: true });
const flipped = readFileSync(at('dump-flipped/neo4j.dump'));
flipped.writeUInt8(flipped.readUInt8(1000) ^ 1, 1000);
writeFileSync(at('dump-flipped/neo4j.dump'), flipped);
await record('dump-flipped', ofDump('dump-flipped'));
await record('dump-flipped-verbose', ['--verbose', ...ofDump('dump-flipped')]);
mkdirSync(at('dump-zeros'));
writeFileSync(at('dump-zeros/neo4j.dump'), Buffer.alloc(4096));
await record('dump-zeros', ofDump('dump-zeros'));
await record('dump-zeros-verbose', ['--verbose', ...ofDump('dump-zeros')]);

mkdirSync(at('full'));
await must(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'none', at('full')]);
await record('disk-full', ofDump('dump', at('full')));
await record('disk-full-verbose', ['--verbose', ...ofDump('dump', at('full'))]);
await must(['umount', at('full')]);
await record('usage', ['--frobnicate', 'neo4j']);
rmSync(work, { recursive: true });
