// The small emptyDir that the three containers of a run share, and the script that runs Neo4j's tool between ours.

import { exitCodes } from './report.ts';

/** Where the containers see the volume, the exchange folder and their scratch space. */
export const mounts = { backup: '/backup', exchange: '/exchange', temporary: '/tmp', tls: '/tls' } as const;

/** What lies below `mounts.tls`, for the tool alone: the names that a policy of Neo4j has in each version. */
export const tlsFiles = {
  privateKey: 'private.key',
  certificate: 'public.crt',
  authority: 'trusted/ca.crt',
} as const;

/** What lies in the exchange folder. */
export const exchange = {
  plan: 'plan.json',
  /** Folder of the tool's own configuration. */
  configuration: 'conf',
  /** An empty folder: 3.4 wants one of revoked certificates, and a Secret cannot be mounted as one. */
  revoked: 'revoked',
  /** Present: there is nothing for the tool to do. */
  skip: 'skip',
  /** Unix time at which the tool is ended. */
  deadline: 'deadline',
  /** The steps in their order, one a line. Written last of all that tells of steps. */
  steps: 'steps',
  arguments: (step: StepID) => `argv.${step}`,
  /** An earlier step and the exit codes, or `*`, after which this one runs. Absent: it always runs. */
  after: (step: StepID) => `after.${step}`,
  /** Fixed strings, one a line: the step runs when the output of the earlier one holds one of them. */
  when: (step: StepID) => `when.${step}`,
  /** Fixed strings, one a line: the step runs when that output holds none of them. */
  unless: (step: StepID) => `unless.${step}`,
  exitCode: (step: StepID) => `code.${step}`,
  head: (step: StepID) => `out.${step}.head`,
  tail: (step: StepID) => `out.${step}.tail`,
  /** Present: the deadline passed and the tool was ended by us. */
  expired: 'expired',
  /** Present: the container was asked to stop. */
  stopped: 'stopped',
} as const;

/** Names one command line of a run: its place in the order, from 1. */
export type StepID = string;

/** One command line of a run, and when it is run. */
export interface Step {
  readonly id: StepID;
  readonly argv: readonly string[];
  /** Absent: always. Without marks, the exit code of the earlier step decides alone. */
  readonly after?: {
    readonly step: StepID;
    /** `any`: however it ended, if only it ran. */
    readonly exitCodes: readonly number[] | 'any';
    readonly when?: readonly string[];
    /** Beside `when`, either is enough. */
    readonly unless?: readonly string[];
  };
}

/** The files of the exchange folder that tell of the steps, by name; in the order in which they are to be written. */
export function formatSteps(steps: readonly Step[]): readonly (readonly [name: string, content: string])[] {
  const lines = (texts: readonly string[]): string => texts.map((text) => `${text}\n`).join('');
  const files = steps.flatMap(({ id, argv, after }): (readonly [string, string])[] => {
    const own: readonly [string, string] = [exchange.arguments(id), formatArguments(argv)];
    if (after === undefined) return [own];
    const { step, when, unless } = after;
    const codes = after.exitCodes === 'any' ? '*' : after.exitCodes.join(' ');
    return [
      own,
      [exchange.after(id), `${step} ${codes}\n`],
      // An empty file would be found in any output by some greps, and in none by others.
      ...(when === undefined || when.length === 0 ? [] : [[exchange.when(id), lines(when)] as const]),
      ...(unless === undefined || unless.length === 0 ? [] : [[exchange.unless(id), lines(unless)] as const]),
    ];
  });
  return [...files, [exchange.steps, lines(steps.map(({ id }) => id))]];
}

/** One argument a line. @throws Error on an argument that holds a line break: it would become two */
export function formatArguments(argv: readonly string[]): string {
  const broken = argv.find((argument) => /[\n\r\0]/.test(argument));
  if (broken !== undefined) throw new Error(`an argument must be one line: ${JSON.stringify(broken)}`);
  return argv.map((argument) => `${argument}\n`).join('');
}

/**
 * How much of the tool's output is kept at either end, in bytes: enough for 4,000 lines of progress, whatever it prints.
 * Where `head` is busybox's, up to a block between the two ends is lost: it reads ahead.
 */
export const keptOutputBytes = 262_144;

/**
 * How much of the tool's output is shown in the log of the container: so many blocks of 4 KiB, 64 MiB at most. What the tool
 * writes at once is a block, however short, and shown at once. The kubelet looks at a log's size every ten seconds only, and a
 * tool that has gone mad would fill the disk of the node by then.
 */
const shownBlocks = 16_384;

/** Seconds that a tool has between SIGTERM and SIGKILL when its time is up, or the container is asked to stop. */
const killSeconds = 5;

/** Seconds until the rest of the output is given up: a process that the tool left behind may hold it open for ever. */
const drainSeconds = 3;

/**
 * Runs the command lines of the exchange folder. POSIX sh and coreutils (or busybox) are all it needs of an image.
 *
 * Guarantees: no text from outside is ever read as shell: arguments come from a file, one a line, and only ever stand
 * as "$@". What the tool prints goes to the log of the container, and head and tail of it to files, both bounded. The exit
 * code is a file, not the container's own, so that `report` runs whatever happens. SIGTERM reaches the tool and all that it
 * started, and so does SIGKILL when it did not help, or when the tool has ended and left something running: the tool is the
 * leader of a process group (setsid, of util-linux and busybox; in an image that has none, it gets its signals alone).
 *
 * But where the kernel killed something for want of memory, the container must fail: the kubelet takes such an init
 * container for failed whatever its exit code, and with 0 starts nothing after it and ends nothing either (seen with
 * 1.36). The operator then reads OOMKilled from the Pod.
 */
export const engineScript = `
set -u
cd ${mounts.exchange} || exit 1
[ -f ${exchange.skip} ] && exit 0
oom_kills() { cat /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control 2>/dev/null | grep '^oom_kill '; }
before=$(oom_kills)
finish() {
  [ "$(oom_kills)" = "$before" ] || exit ${exitCodes.final}
  [ "\${code:-0}" = 137 ] && [ ! -f ${exchange.expired} ] && [ ! -f ${exchange.stopped} ] && exit ${exitCodes.final}
  exit 0
}
leader=
command -v setsid > /dev/null && leader=setsid
# Without job control the tool has no group of its own yet when the signal is as fast as that.
signal() { kill "-$1" "-$2" 2>/dev/null || kill "-$1" "$2" 2>/dev/null; }
end() {
  signal TERM "$1"
  sleep ${killSeconds}
  signal KILL "$1"
}
child=
# A function, so that nothing is left to parse when the signal comes: bash may be in the middle of parsing something else.
stop() {
  echo > ${exchange.stopped}
  [ -n "$child" ] || return 0
  end "$child" > /dev/null 2>&1 &
}
trap stop TERM INT
attempt() {
  name=$1
  [ -f ${exchange.stopped} ] && return 1
  set --
  while IFS= read -r argument; do set -- "$@" "$argument"; done < "argv.$name"
  rm -f output keep show
  mkfifo output keep show || return 1
  { head -c ${keptOutputBytes} > "out.$name.head"; tail -c ${keptOutputBytes} > "out.$name.tail"; } < keep &
  keeper=$!
  { dd bs=4096 count=${shownBlocks} 2>/dev/null; cat > /dev/null; } < show &
  shower=$!
  tee keep < output > show &
  copier=$!
  $leader sh -c 'exec "$@"' sh "$@" < /dev/null > output 2>&1 3<&- &
  child=$!
  now=$(date +%s)
  read -r deadline < ${exchange.deadline}
  left=$((deadline - now))
  [ "$left" -gt 0 ] || left=0
  (
    sleep "$left" &
    nap=$!
    trap 'kill "$nap"; exit' TERM
    wait "$nap"
    echo > ${exchange.expired}
    end "$child"
  ) > /dev/null 2>&1 &
  watchdog=$!
  while :; do
    wait "$child"
    code=$?
    kill -0 "$child" 2>/dev/null || break
  done
  # A signal may have ended the wait when the tool was gone already: then its own code is still to be had.
  wait "$child" 2>/dev/null
  again=$?
  [ "$again" -eq 127 ] || code=$again
  group=$child
  child=
  kill "$watchdog" 2>/dev/null
  ( sleep ${drainSeconds}; kill "$copier"; sleep 1; kill "$keeper" "$shower" ) > /dev/null 2>&1 &
  drain=$!
  wait "$keeper" "$copier" "$shower"
  kill "$drain" 2>/dev/null
  [ -n "$leader" ] && kill -KILL "-$group" 2>/dev/null
  echo "$code" > "code.$name.partial" && mv "code.$name.partial" "code.$name"
  return "$code"
}
is_due() {
  [ -f "after.$1" ] || return 0
  read -r earlier codes < "after.$1"
  [ -f "code.$earlier" ] || return 1
  case " $codes " in
    ' * ' | *" $(cat "code.$earlier") "*) ;;
    *) return 1 ;;
  esac
  [ -f "when.$1" ] || [ -f "unless.$1" ] || return 0
  if [ -f "when.$1" ] && grep -qF -f "when.$1" "out.$earlier.head" "out.$earlier.tail"; then return 0; fi
  [ -f "unless.$1" ] || return 1
  ! grep -qF -f "unless.$1" "out.$earlier.head" "out.$earlier.tail"
}
while IFS= read -r step <&3; do
  is_due "$step" || continue
  attempt "$step"
  # Killed, stopped or out of time: nothing else is begun.
  [ "\${code:-0}" = 137 ] && break
  [ "$(oom_kills)" = "$before" ] || break
  [ -f ${exchange.stopped} ] && break
  [ -f ${exchange.expired} ] && break
done 3< ${exchange.steps}
finish
`.trimStart();
