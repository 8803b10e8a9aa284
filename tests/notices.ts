/** Helpers for tests of the pulse's notices: a hook that writes down its calls, and old questions. */
import { type TestProfile, testProfile } from "./looop.ts";
import { published } from "./published.ts";
import { fileText } from "./workers.ts";

/** A hook that writes down the notice of each call. */
export const NOTE = 'printf "%s\\n" "$LOOOP_NOTICE" >>"$LOOOP_DATA_DIR/reports/told"';

/** A profile with this config, without a running pulse. */
export async function fresh(config: Record<string, unknown>): Promise<TestProfile> {
  const p = await testProfile();
  Deno.mkdirSync(p.profile.reports, { recursive: true, mode: 0o700 });
  Deno.chmodSync(p.profile.dir, 0o700);
  setConfig(p, config);
  await p.ok("_", "state");
  return p;
}

export function setConfig(p: TestProfile, config: Record<string, unknown>): void {
  Deno.writeTextFileSync(p.profile.config, JSON.stringify({ away_after: 0, ...config }));
}

/** Writes a question that was asked `ageS` seconds ago. */
export function ask(p: TestProfile, id: string, ageS = 0, prompt = "Go on?"): void {
  const ts = Math.floor(Date.now() / 1000) - ageS;
  const text = JSON.stringify({ v: 1, id, worker: id.replace(/-\d+$/, ""), prompt, ts, gen: "" });
  Deno.writeTextFileSync(p.path(`asks/${id}.json`), text);
  Deno.writeTextFileSync(p.profile.poke, "\n");
}

/** The notices that the hook was run for: id and age, without the time between them. */
export function told(p: TestProfile, name = "told"): string[] {
  return fileText(p, `reports/${name}`).split("\n").filter(Boolean)
    .map((line) => line.replace(/\.(\d+)\.([\d]+)\.(\d+)$/, " $2 $3"));
}

export async function passBeats(p: TestProfile, count: number): Promise<void> {
  const until = published(p).beat + count;
  await p.until("beats passed", () => published(p).beat >= until);
}

// deno-lint-ignore no-explicit-any -- tests look into it freely
export async function problems(p: TestProfile): Promise<any[]> {
  return (await p.json("status", "--json")).problems.filter((one: { kind: string }) =>
    one.kind.startsWith("notice_")
  );
}
