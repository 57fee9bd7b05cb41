// Makes node_modules match package-lock.json. `--for=demo|bench|test|cluster` first checks what that command needs.
// No dependencies and nothing newer than Node 20: it runs on the system's Node before anything is installed.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamp = join(root, 'node_modules', '.setup-stamp'); // npm ci deletes it first: a broken install is never current
const lock = join(root, '.setup.lock'); // holds the pid of the running setup

/** What a real cluster and a real Neo4j are built with: how to ask for it, and the command that provides it. */
const builders = [
  {
    name: 'Go',
    ask: ['go', 'version'],
    get: 'apt-get install golang-go   (1.21 or newer: it fetches the release it needs)',
  },
  { name: 'Maven', ask: ['mvn', '--version'], get: 'apt-get install maven' },
  {
    name: 'a JDK 17 (javac)',
    ask: ['javac', '-version'],
    get: 'apt-get install openjdk-17-jdk-headless',
    match: /javac 17\./,
  },
  {
    name: 'a JDK 17 (jlink)',
    ask: ['jlink', '--version'],
    get: 'apt-get install openjdk-17-jdk-headless',
    match: /^17\./m,
  },
  {
    name: 'apt-get (Debian or a relative)',
    ask: ['apt-get', '--version'],
    get: 'run it on Debian 12 or newer',
  },
];

/** What this machine lacks for a command, each with what provides it. */
function missing(purpose) {
  const isRoot = process.getuid?.() === 0;
  // Without root the tests that need no node still run, and no Debian package can be installed.
  const needsRoot = purpose !== 'test';
  const tools = builders.filter(({ name }) => isRoot || !name.startsWith('apt-get'));
  return [
    ...wrongPlatform(),
    ...(needsRoot && !isRoot ? ['root, for the Kubernetes node: run it with sudo'] : []),
    ...tools.filter((tool) => !isThere(tool)).map(({ name, get }) => `${name}: ${get}`),
  ];
}

function wrongPlatform() {
  const { platform, arch, version, versions } = process;
  return [
    ...(platform === 'linux' && arch === 'x64' ? [] : [`Linux on x86-64 (this is ${platform} ${arch})`]),
    ...(Number.parseInt(versions.node, 10) >= 20
      ? []
      : [`Node 20 or newer (this is ${version}): apt-get install nodejs`]),
  ];
}

function isThere({ ask: [program, ...args], match }) {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return status === 0 && (match === undefined || match.test(`${stdout}${stderr}`));
}

const read = (file) => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined; // absent is the answer
  }
};
const want = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .update(`${process.platform}-${process.arch}`)
  .digest('hex');
const isCurrent = () => read(stamp) === want;
const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (e) {
    return e.code === 'EPERM';
  }
};

async function takeLock() {
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      return;
    } catch (e) {
      if (e.code !== 'EEXIST') throw e;
    }
    const owner = Number(read(lock));
    if (owner > 0 && !isAlive(owner)) rmSync(lock, { force: true });
    else await sleep(300);
  }
}

/** `npm ci`, ended at once by a signal: npm answers signals only after a roll-back, and there is nothing to save. */
function npmCi() {
  // npm ci deletes node_modules, so npm must not run on the Node inside it.
  const PATH = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((p) => !p.includes('node_modules'))
    .join(delimiter);
  return new Promise((resolve) => {
    const child = spawn('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: root,
      env: { ...process.env, PATH },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    let stopped;
    const stop = (signal) => {
      stopped = signal;
      child.kill('SIGKILL');
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => stop(signal));
    child.on('error', (e) => {
      console.error(`setup: npm: ${e.message}`);
      resolve(127);
    });
    child.on('exit', (code) => resolve(stopped ? 128 + constants.signals[stopped] : (code ?? 1)));
  });
}

const purpose = process.argv.find((a) => a.startsWith('--for='))?.slice('--for='.length);
if (purpose !== undefined) {
  const absent = missing(purpose);
  if (absent.length > 0) {
    console.error(`npm run ${purpose} needs, and did not find:\n${absent.map((a) => `  - ${a}`).join('\n')}`);
    process.exit(2);
  }
}
if (!isCurrent()) {
  await takeLock();
  let code = 0;
  if (!isCurrent()) {
    console.error('setup: installing the packages of package-lock.json (npm ci), about half a minute …');
    code = await npmCi();
    if (code === 0) writeFileSync(stamp, want);
    else console.error('setup: npm ci failed');
  }
  rmSync(lock, { force: true });
  process.exit(code);
}
