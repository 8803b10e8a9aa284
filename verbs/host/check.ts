/** `looop _ host check`: checks whether a machine does everything that looop needs. */
import { callParser } from "../../lib/cli/call_parser.ts";
import { EXIT, UsageError } from "../../lib/errors.ts";
import type { Verdict } from "../../lib/hosts/check/check.ts";
import { requireHost } from "../../lib/hosts/place.ts";
import { readConfig } from "../../lib/records/config.ts";
import { sanitizeLine } from "../../lib/text/style.ts";
import { defineVerb } from "../../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "_ host check",
    summary: "try everything that looop needs of another machine, with one line per case",
    audience: "root",
    args: [
      { name: "name", summary: "a machine, as named in config.json" },
      { name: "case", summary: "numbers of cases; all by default", optional: true, many: true },
    ],
    options: [{ name: "json", summary: "as JSON" }],
    example: "looop _ host check gpu",
    details:
      "Starts its own workers there, in a folder of their own, and removes them. Takes some minutes, two of them\n" +
      "with its own command cut and held up. A case whose means that machine does not have says skip, and why. Exit 1\n" +
      "when a case fails.",
  },
  async run(context, input) {
    const name = input.word(0);
    const config = requireHost(readConfig(context.profile.config).config, name);
    const wanted = input.words.slice(1).map(caseNumber);
    const { checkHost } = await import("../../lib/hosts/check/check.ts");
    const host = {
      env: context.env,
      parse: callParser(context),
      name,
      config: fromHere(config, context.profile.dir),
    };
    const verdicts = await checkHost(host, wanted, (verdict) => {
      if (!context.json) context.out(`${lineOf(verdict)}\n`);
    });
    const count = (result: Verdict["result"]) => verdicts.filter((one) => one.result === result).length;
    const [failed, skipped] = [count("FAIL"), count("skip")];
    return {
      text: `${count("ok")} ok, ${skipped} skipped, ${failed} failed`,
      json: { ok: failed === 0, skipped, failed, cases: verdicts },
      code: failed === 0 ? EXIT.ok : EXIT.failed,
    };
  },
});

/** The cases have a data dir of their own, but a driver's path is relative to this one. */
function fromHere<T extends { driver?: string | undefined }>(config: T, dir: string): T {
  const { driver } = config;
  return driver === undefined || !driver.includes("/") || driver.startsWith("/")
    ? config
    : { ...config, driver: `${dir}/${driver}` };
}

function caseNumber(word: string): number {
  if (/^[1-9][0-9]?$/.test(word) && Number(word) <= 45) return Number(word);
  throw new UsageError(`<case> is "${word}"`, { next: "give numbers from 1 to 45" });
}

function lineOf({ n, title, result, note, ms }: Verdict): string {
  const more = note === "" ? "" : `: ${note}`;
  return sanitizeLine(
    `${result.padEnd(4)} ${String(n).padStart(2)} ${title}${more} (${(ms / 1000).toFixed(1)} s)`,
  );
}
