/** Where a benchmark runs: the binary, the baseline programs compiled like it, and throw-away profiles. */
import { type Profile, profileAt } from "../../lib/paths.ts";
import { compileProgram } from "../tools/compile.ts";

const HERE = new URL("./", import.meta.url).pathname;
const PROGRAMS = ["empty", "sleep", "watch", "beats"] as const;

/** Baseline programs by name: paths of binaries compiled with looop's own flags. */
export type Programs = Record<typeof PROGRAMS[number], string>;

/** A throw-away profile. */
export interface BenchProfile {
  profile: Profile;
  env: Record<string, string>;
}

/** Everything a row needs. */
export class Setting implements AsyncDisposable {
  readonly looop: string;
  readonly programs: Programs;
  readonly dir: string;
  /** Fewer runs and less data: quick, but too noisy to quote. */
  readonly quick: boolean;
  /** Number of beats in the memory row. */
  readonly beats: number;
  readonly #profiles: BenchProfile[] = [];

  private constructor(looop: string, dir: string, quick: boolean, beats: number) {
    this.looop = looop;
    this.dir = dir;
    this.quick = quick;
    this.beats = beats;
    this.programs = Object.fromEntries(
      PROGRAMS.map((name) => [name, `${dir}/programs/${name}`]),
    ) as Programs;
  }

  /** Makes the temporary folder and compiles the baseline programs. */
  static async open(looop: string, quick: boolean, beats: number): Promise<Setting> {
    const dir = await Deno.realPath(await Deno.makeTempDir({ prefix: "looop-bench-" }));
    const setting = new Setting(looop, dir, quick, beats);
    await Deno.mkdir(`${dir}/programs`);
    for (const name of PROGRAMS) {
      await compileProgram(`${HERE}programs/${name}.ts`, `${dir}/bundle-${name}`, setting.programs[name]);
    }
    return setting;
  }

  /** Number of runs: `usual`, or a third of that in a quick run. */
  runs(usual: number): number {
    return this.quick ? Math.max(3, Math.round(usual / 3)) : usual;
  }

  /** A fresh profile without a data dir. */
  profile(name: string): BenchProfile {
    const profile = profileAt(`${this.dir}/${name}`);
    const env = {
      PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin",
      HOME: this.dir,
      LANG: "C.UTF-8",
      LOOOP_DATA_DIR: profile.dir,
      LOOOP_INTERVAL: "60",
    };
    const made = { profile, env };
    this.#profiles.push(made);
    return made;
  }

  /** Calls looop 0.16 on a profile of its own; undefined unless `LOOOP_0_16_BIN` names that program. */
  async oldLooop(name: string): Promise<{ bin: string; env: Record<string, string> } | undefined> {
    const bin = Deno.env.get("LOOOP_0_16_BIN");
    if (bin === undefined) return undefined;
    const { env } = this.profile(name);
    const programs = `${this.dir}/old-programs`;
    await Deno.mkdir(programs, { recursive: true });
    // It refuses to run unless its default agent is on PATH.
    await Deno.writeTextFile(`${programs}/pi`, "#!/bin/sh\n", { mode: 0o755 });
    return { bin, env: { ...env, PATH: `${programs}:${env["PATH"]}`, LOOOP_SESSION_ID: "w1" } };
  }

  /** Calls looop; anything but exit 0 is an error. Returns stdout. */
  async call(env: Record<string, string>, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await new Deno.Command(this.looop, {
      args,
      env,
      clearEnv: true,
      stdin: "null",
    })
      .output();
    if (code !== 0) throw new Error(`looop ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
    return new TextDecoder().decode(stdout);
  }

  /** Whether this build has a verb. */
  async has(verb: string): Promise<boolean> {
    const env = { HOME: this.dir, PATH: Deno.env.get("PATH") ?? "" };
    const { code } = await new Deno.Command(this.looop, {
      args: [...verb.split(" "), "--help"],
      env,
      clearEnv: true,
      stdout: "null",
      stderr: "null",
    }).output();
    return code === 0;
  }

  /** Pid of a profile's pulse. */
  pulsePid({ profile }: BenchProfile): number {
    return Number(JSON.parse(Deno.readTextFileSync(profile.pulse)).pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { profile, env } of this.#profiles) {
      const made = await Deno.stat(profile.dir).catch(() => undefined);
      if (made !== undefined) await this.call(env, "down").catch(() => {});
    }
    // A process that was just ended may still write a file into the folder that is being removed.
    for (let tries = 0; tries < 20; tries++) {
      if (await Deno.remove(this.dir, { recursive: true }).then(() => true, () => false)) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
