/**
 * The checks of `looop doctor`: the machine, then the profile. Each check tries the real thing (a program in a terminal, a
 * lock between two processes, a watch) and changes nothing except files of its own, which it removes.
 */
import { canBeRun, launcherPath } from "../process/self.ts";
import { runSmall } from "../process/spawn.ts";
import { watchesOff } from "../records/env.ts";
import { readConfig } from "../records/config.ts";
import { UserError } from "../errors.ts";
import type { Profile } from "../paths.ts";
import { resolveRunner } from "../agents/resolve.ts";
import { openProfile } from "../records/profile.ts";
import { delay } from "../process/tree.ts";
import { listSensors } from "../world/sensors.ts";
import type { SelfCommand } from "../process/self.ts";
import { look, type Snapshot } from "../world/state.ts";
import { checkRunner, readDiskFree, readHost } from "./machine.ts";
import { DISK_FULL, DISK_LOW, megabytes, problemsOf } from "./problems.ts";
import {
  acquireLock,
  createOnce,
  exists,
  makeDir,
  quietText,
  readLinkedText,
  readText,
  removeTree,
  replaceFile,
  statOf,
} from "../store.ts";
import { Watch } from "../file_watch.ts";
import { age, sanitizeLine } from "../text/style.ts";
import { type CommandOutcome, runCommand } from "../process/capture.ts";
import { PLATFORM } from "../process/platform.ts";
import { findProgram } from "../process/programs.ts";
import { SUPERVISOR } from "../sessions/supervisor.ts";

/** The result of one check. */
export interface Diagnosis {
  name: string;
  level: "ok" | "warn" | "bad";
  message: string;
  /** How to fix it, unless it is ok. */
  next?: string;
}

/** The surroundings of the checks. */
export interface DoctorHost {
  profile: Profile;
  env: Readonly<Record<string, string>>;
  self: SelfCommand;
  version: string;
  now(): number;
}

function ok(name: string, message: string): Diagnosis {
  return { name, level: "ok", message };
}

function warn(name: string, message: string, next: string): Diagnosis {
  return { name, level: "warn", message, next };
}

function bad(name: string, message: string, next: string): Diagnosis {
  return { name, level: "bad", message, next };
}

/** Runs every check, in the order in which one thing depends on another. */
export async function examine(host: DoctorHost): Promise<Diagnosis[]> {
  const [bash, terminal, git] = await Promise.all([checkBash(host), checkTerminal(host), checkGit(host)]);
  const data = checkDataDir(host.profile);
  const usable = data.level !== "bad";
  return [
    bash,
    terminal,
    ...checkConfig(host),
    data,
    ...(usable ? await checkFileSystem(host) : []),
    ...(usable ? await checkLauncher(host) : []),
    ...(usable ? await checkProfile(host) : []),
    git,
    ...await checkHosts(host),
  ];
}

/** Checks other machines, each over the line that its workers use. */
async function checkHosts({ profile, env, now }: DoctorHost): Promise<Diagnosis[]> {
  const hosts = quietHosts(profile);
  if (hosts.length === 0) return [];
  const { Place } = await import("../hosts/place.ts");
  const { homeOf } = await import("../records/home.ts");
  const { probePlace } = await import("../hosts/probe.ts");
  const { config } = readConfig(profile.config);
  const found = await Promise.all(hosts.map(async (name) => {
    const place = Place.named({ profile, env, now }, name);
    if (place.driver !== undefined) {
      const jobs = await place.driver.list();
      const wrong = await place.shared().then(() => undefined, (error: UserError) => error);
      if (wrong !== undefined) {
        const { message, next = `run \`looop _ host check ${name}\`` } = wrong;
        return [{ name: `host ${name}`, level: "bad" as const, message, next }];
      }
      const said = jobs === undefined
        ? {
          level: "bad" as const,
          message: "its driver does not list its jobs",
          next: `run \`looop _ host check ${name}\``,
        }
        : { level: "ok" as const, message: `${jobs.length} jobs of this home` };
      return [{ name: `host ${name}`, ...said }];
    }
    const programs = Object.entries(config.runners).filter(([, runner]) => runner.host === name)
      .map(([runner]) => resolveRunner(config, runner).program ?? "").filter((program) =>
        /^[\w./-]+$/.test(program)
      );
    const facts = await probePlace(place, homeOf(profile).id, programs, now);
    return facts.map((fact) => ({ name: `host ${name}`, ...fact }));
  }));
  return found.flat();
}

function quietHosts(profile: Profile): string[] {
  try {
    return Object.keys(readConfig(profile.config).config.hosts);
  } catch {
    return [];
  }
}

/** Time limit of a tiny program, ms. */
const TRIAL_MS = 10_000;

/** Runs a small shell script and returns its output and its exit code; 124 when it timed out. */
async function trial(
  script: string,
  args: readonly string[] = [],
  shell = "/bin/sh",
): Promise<{ code: number; text: string }> {
  const result = await runSmall(shell, ["-c", script, "sh", ...args], { timeoutMs: TRIAL_MS }).catch(() =>
    undefined
  );
  return { code: result?.code ?? 127, text: result?.stdout ?? "" };
}

async function checkBash({ env }: DoctorHost): Promise<Diagnosis> {
  const path = findProgram("bash", env["PATH"] ?? "");
  if (path === undefined) return bad("bash", "not on PATH", "install bash: sensors and `_ run` need it");
  const { code, text } = await trial('echo "$BASH_VERSION"', [], path);
  return code === 0 && text.trim() !== ""
    ? ok("bash", `${path}, ${text.trim()}`)
    : bad("bash", `${path} does not run`, "install bash again");
}

/** A program that looks at its terminal and exits with a code that must come through. */
const TERMINAL_TRIAL = '[ -t 0 ] && [ -t 1 ] && echo "size $(stty size)"; exit 7';

/** Lets a worker's own supervisor run a program, in a folder outside of any profile. */
async function checkTerminal(host: DoctorHost): Promise<Diagnosis> {
  const dir = `${host.env["TMPDIR"] || "/tmp"}/.looop-doctor-${Deno.pid}-${crypto.randomUUID().slice(0, 8)}`;
  try {
    makeDir(dir);
    const { endedBy } = await superviseIn(dir, host.env);
    const code = /"exit_code":(\d+)/.exec(quietText(`${dir}/status.json`) ?? "")?.[1];
    return judgeTerminal(code, quietText(`${dir}/output.log`) ?? "", endedBy === "timeout");
  } catch (error) {
    return fromError("terminal", error);
  } finally {
    if (exists(dir)) removeTree(dir);
  }
}

function superviseIn(dir: string, env: Readonly<Record<string, string>>): Promise<CommandOutcome> {
  const worker = { LOOOP_WORKER_CMD: TERMINAL_TRIAL, LOOOP_WORKER_ID: "doctor", LOOOP_WORKER_GEN: "doctor" };
  return runCommand({
    argv: ["/bin/sh", "-c", SUPERVISOR, "looop-doctor", dir, "poke", dir],
    cwd: dir,
    env: { ...env, ...worker, TERM: "xterm-256color", LOOOP_OS: PLATFORM },
    mark: { name: "LOOOP_RUN", value: `doctor-${crypto.randomUUID()}` },
    timeoutMs: TRIAL_MS,
    tailBytes: 1024,
  });
}

function judgeTerminal(code: string | undefined, text: string, hangs: boolean): Diagnosis {
  if (code === "7" && text.includes("size 50 160")) {
    return ok("terminal", "programs run in a pty of their own");
  }
  if (code === undefined || code === "127" || !/\S/.test(text)) {
    const next = "install `script` (util-linux; Debian: bsdutils): workers run in it";
    return bad("terminal", hangs ? "`script` hangs" : "`script` does not work", next);
  }
  const message = `a program in a pty gave exit ${code} for 7: ${sanitizeLine(text).slice(0, 80)}`;
  return bad("terminal", message, "check that /dev/ptmx is there and that pty devices are left");
}

async function checkGit({ env }: DoctorHost): Promise<Diagnosis> {
  if (findProgram("git", env["PATH"] ?? "") === undefined) {
    return warn("git", "not on PATH", "install it, so that workers can make worktrees");
  }
  const { text } = await trial("git --version");
  return ok("git", text.trim().replace(/^git version /, ""));
}

/** Which config counts, and whether looop 0.16 can read it, too. */
function configText(path: string): string {
  const text = quietText(path, readLinkedText);
  if (text === undefined) return "defaults";
  try {
    JSON.parse(text);
    return path;
  } catch {
    return `${path}; looop 0.16 cannot read it, as it is not strict JSON (comments, final commas)`;
  }
}

function checkConfig({ profile, env }: DoctorHost): Diagnosis[] {
  try {
    const { config, warnings } = readConfig(profile.config);
    const { name, missing } = checkRunner(config, env["PATH"] ?? "");
    return [
      ...(warnings.length === 0 ? [ok("config", configText(profile.config))] : []),
      ...warnings.map((warning) => warn("config", warning, "correct or remove that line")),
      missing === undefined ? ok("runner", name) : bad("runner", `"${name}": ${missing.what}`, missing.next),
    ];
  } catch (error) {
    return [fromError("config", error)];
  }
}

function fromError(name: string, error: unknown): Diagnosis {
  const next = error instanceof UserError ? error.next : undefined;
  return bad(name, (error as Error).message, next ?? "see the message");
}

function checkDataDir(profile: Profile): Diagnosis {
  if (!exists(profile.dir)) return ok("data dir", `"${profile.dir}" is not there yet: \`looop up\` makes it`);
  try {
    openProfile(profile);
    const mode = ((statOf(profile.dir)?.mode ?? 0) & 0o777).toString(8);
    return ok("data dir", `${profile.dir}, yours, mode ${mode}`);
  } catch (error) {
    return fromError("data dir", error);
  }
}

/** Checks the file system of the data dir, or of the temporary folder when there is no data dir yet. */
async function checkFileSystem(host: DoctorHost): Promise<Diagnosis[]> {
  const { profile } = host;
  const exist = exists(profile.dir);
  const base = exist ? profile.dir : host.env["TMPDIR"] || "/tmp";
  const disk = judgeDiskSpace(await readDiskFree(base));
  const dir = `${base}/.doctor-${Deno.pid}-${crypto.randomUUID().slice(0, 8)}`;
  try {
    makeDir(dir);
    const writing = checkWriting(dir);
    return [
      disk,
      writing,
      await checkLocks(host, dir),
      await checkWatches(dir, watchesOff(host.env)),
      checkPolling(dir),
    ];
  } catch (error) {
    return [disk, fromError("writing", error)];
  } finally {
    if (exists(dir)) removeTree(dir);
  }
}

/** Checks whether workers can be given a launcher, if the data dir exists already. */
async function checkLauncher({ profile, self }: DoctorHost): Promise<Diagnosis[]> {
  if (!exists(profile.dir)) return [];
  if (await canBeRun(launcherPath(profile, self))) return [ok("programs", "can be run in the data dir")];
  const message = `no program can be run in "${profile.dir}" (mounted noexec?)`;
  const next = "remount it, or put the data dir on another file system with LOOOP_DATA_DIR";
  return [self.standalone ? warn("programs", message, next) : bad("programs", message, next)];
}

/** Judges an amount of free disk space, bytes. */
export function judgeDiskSpace(free: number | undefined): Diagnosis {
  if (free === undefined) return warn("disk", "free space is unknown", "check that `df` is there");
  const left = `${megabytes(free)} free`;
  if (free < DISK_FULL) return bad("disk", `full, ${left}`, "free some space: nothing can be written");
  return free < DISK_LOW ? warn("disk", `almost full, ${left}`, "free some space") : ok("disk", left);
}

/** Longest write that a person does not notice, ms. */
const SLOW_SYNC_MS = 500;

function checkWriting(dir: string): Diagnosis {
  const started = performance.now();
  replaceFile(`${dir}/written`, "whole\n");
  const ms = Math.round(performance.now() - started);
  if (readText(`${dir}/written`) !== "whole\n") {
    return bad("writing", "a file read back is not what was written", "check the disk");
  }
  if (ms <= SLOW_SYNC_MS) return ok("writing", `files are replaced and synced, ${ms} ms`);
  return warn("writing", `one write took ${ms} ms`, "see whether the disk is busy, or on a network");
}

/** Checks that a lock keeps another process out and is free after its release. */
async function checkLocks({ self }: DoctorHost, dir: string): Promise<Diagnosis> {
  const broken = "put the data dir on a local file system that has flock(2)";
  const path = `${dir}/lock`;
  const held = await acquireLock(path, 1000);
  if (held === undefined) return bad("locks", "a fresh lock cannot be taken", broken);
  let open = true;
  try {
    const child = new Deno.Command(self.exe, {
      args: [...self.args, "_", "probe", path],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const said = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const first = (await said.read()).value ?? "";
    held.close();
    open = false;
    let rest = "";
    for (let next = await said.read(); !next.done; next = await said.read()) rest += next.value;
    await child.status;
    if (first.startsWith("free")) return bad("locks", "two processes hold the same lock", broken);
    if (first.startsWith("held") && rest.includes("free")) {
      return ok("locks", "a lock keeps other processes out");
    }
    return bad("locks", "another process could not tell", "run `looop doctor` again");
  } finally {
    if (open) held.close();
  }
}

const PROBE_HELD_MS = 150;
const PROBE_FREE_MS = 5000;

/** The other process of {@link checkLocks}: says "held" while the lock is, then "free". */
export async function probeLock(path: string, say: (word: string) => void): Promise<void> {
  const file = Deno.openSync(path, { read: true, write: true });
  const granted = file.lock(true).then(() => true);
  const after = (ms: number) => delay(ms).then(() => false);
  if (!await Promise.race([granted, after(PROBE_HELD_MS)])) say("held\n");
  if (await Promise.race([granted, after(PROBE_FREE_MS)])) say("free\n");
}

/** Prints the kernel's watch objects: how many this user has and may have. */
const INOTIFY = `cat /proc/sys/fs/inotify/max_user_instances 2>/dev/null || exit 0
ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c 'anon_inode:inotify'`;
const WATCH_MS = 2000;
const POLLING_SERVES = "questions and answers come up to 1 s late";

async function checkWatches(dir: string, off: boolean): Promise<Diagnosis> {
  const watch = new Watch({ dirs: [dir], pollMs: WATCH_MS, off });
  try {
    const usage = await inotifyUsage();
    const raise = "raise fs.inotify.max_user_instances with sysctl, or end programs that watch";
    if (!watch.armed) return warn("watches", `none are available${usage.text}; ${POLLING_SERVES}`, raise);
    createOnce(`${dir}/seen`, "", { durable: false });
    if (!await watch.next()) {
      const next = "put the data dir on a local file system";
      return warn("watches", `changes are not reported here; ${POLLING_SERVES}`, next);
    }
    if (usage.scarce) return warn("watches", `work, but are almost used up${usage.text}`, raise);
    return ok("watches", `changes are reported at once${usage.text}`);
  } finally {
    watch.close();
  }
}

async function inotifyUsage(): Promise<{ text: string; scarce: boolean }> {
  const [limit, used] = (await trial(INOTIFY)).text.trim().split("\n").map(Number);
  if (!limit || used === undefined || Number.isNaN(used)) return { text: "", scarce: false };
  return { text: ` (${used} of ${limit} inotify instances in use)`, scarce: used > limit * 0.8 };
}

/** Checks a condition of polling: that a replaced file can be distinguished from the previous one. */
function checkPolling(dir: string): Diagnosis {
  const stamp = () => {
    const info = statOf(`${dir}/polled`);
    return `${info?.ino} ${info?.mtime?.getTime()} ${info?.size}`;
  };
  replaceFile(`${dir}/polled`, "a", { durable: false });
  const before = stamp();
  replaceFile(`${dir}/polled`, "b", { durable: false });
  return stamp() !== before && readText(`${dir}/polled`) === "b"
    ? ok("polling", "finds changes where watches do not")
    : bad("polling", "a replaced file looks the same", "put the data dir on a local file system");
}

/** Checks the profile's pulse, sensors and files; nothing when there is no profile yet. */
async function checkProfile(host: DoctorHost): Promise<Diagnosis[]> {
  const { profile, env } = host;
  if (!exists(profile.dir)) return [];
  try {
    const now = host.now();
    const [snapshot, machine] = await Promise.all([look(profile, now), readHost(profile, env, now)]);
    const problems = problemsOf(snapshot, machine);
    const of = (prefix: string) => problems.filter(({ kind }) => kind.startsWith(prefix));
    const pulse = of("pulse_").map(({ kind, message, next }) =>
      (kind === "pulse_stopped" ? warn : bad)("pulse", message, next)
    );
    const files = of("bad_file").map(({ message, next }) => bad("file", message, next));
    return [
      ...(pulse.length > 0 ? pulse : [checkPulse(snapshot, machine.pulseVersion, host.version)]),
      ...await checkSensors(
        profile,
        of("sensor_").map(({ kind, id = "", message, next }) => ({
          id,
          finding: (kind === "sensor_fails" ? bad : warn)("sensor", message, next),
        })),
      ),
      ...of("worker_lost").map(({ message, next }) => warn("worker", message, next)),
      ...(files.length > 0 ? files : [ok("files", "all can be read")]),
    ];
  } catch (error) {
    return [fromError("profile", error)];
  }
}

function checkPulse({ pulse }: Snapshot, running: string | undefined, version: string): Diagnosis {
  const beat = `beat ${pulse.beat}, ${age(pulse.age_s ?? 0)} ago, every ${age(pulse.interval_s)}`;
  if (running === undefined || running === version) return ok("pulse", `alive, ${beat}`);
  const next = "when no worker is busy, `looop down` and `looop up`";
  return warn("pulse", `runs version ${running}, this is ${version}`, next);
}

async function checkSensors(
  profile: Profile,
  known: readonly { id: string; finding: Diagnosis }[],
): Promise<Diagnosis[]> {
  const sensors = listSensors(profile);
  const scripts = await Promise.all(sensors.map(({ name, path }) => checkScript(name, path)));
  const broken = scripts.filter((finding) => finding !== undefined);
  const findings = [...broken, ...known.map(({ finding }) => finding)];
  return findings.length > 0 ? findings : [ok("sensors", `${sensors.length}, none fails, flaps or is stale`)];
}

async function checkScript(name: string, path: string): Promise<Diagnosis | undefined> {
  const mode = statOf(path)?.mode ?? 0;
  if ((mode & 0o111) === 0) {
    return bad("sensor", `sensor ${name} is not executable`, `\`chmod +x ${path}\``);
  }
  // Links are followed, as the pulse does; an unreadable sensor is reported by its reading.
  const first = (quietText(path, readLinkedText) ?? "").split("\n", 1)[0] ?? "";
  if (!/^#!.*\b(ba)?sh\b/.test(first)) return undefined;
  const { code, text } = await trial('bash -n "$1" 2>&1', [path]);
  if (code === 0 || code === 127) return undefined;
  const where = sanitizeLine(text.split("\n", 1)[0] ?? "").replace(`${path}: `, "");
  return bad("sensor", `sensor ${name} is no valid script: ${where}`, `edit "${path}"`);
}

const WORDS = { ok: "ok  ", warn: "warn", bad: "BAD " } as const;

/** A finding as one line: `ok   name: …` or `BAD  name: what; how to fix it`. */
export function findingLine({ name, level, message, next }: Diagnosis): string {
  const advice = next === undefined ? "" : `; ${next}`;
  return `${WORDS[level]} ${name}: ${sanitizeLine(message + advice)}`;
}
