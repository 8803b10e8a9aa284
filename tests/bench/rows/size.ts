/** The size of a release: the compressed binary against the runtime alone. */
import type { Row } from "../report.ts";
import type { Setting } from "../setting.ts";

export async function sizeRow(setting: Setting): Promise<Row> {
  const [own, runtime] = await Promise.all([gzipped(setting.looop), gzipped(setting.programs.empty)]);
  return {
    id: "size",
    what: "size of the binary, gzip -6",
    unit: "MB",
    value: own - runtime,
    ratio: own / runtime,
    baseline: { name: "runtime with an empty program", value: runtime },
    limits: { of: "value", bar: 1 },
    bar: "the runtime's + 1 MB",
    aim: "–",
    note: `${own.toFixed(2)} MB against ${runtime.toFixed(2)} MB: looop itself is the difference`,
  };
}

async function gzipped(path: string): Promise<number> {
  const { stdout } = await new Deno.Command("sh", { args: ["-c", 'gzip -6 -c "$0" | wc -c', path] }).output();
  return Number(new TextDecoder().decode(stdout)) / 1e6;
}
