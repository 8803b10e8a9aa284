/**
 * `deno run -A tests/tools/release_files.ts OWNER/NAME`: writes `release/install.sh` and `notes.md`, the files of a release
 * beside its programs, with the publisher filled in.
 *
 * Only here an account becomes looop's publisher: GitHub's runner knows which repository makes the release, and deno.json
 * which JSR package it has just published. A checkout names no publisher.
 */
import { newestRelease } from "./release_check.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** The publisher: a repository on GitHub as `owner/name`, and a package on JSR as `@scope/name`. */
export interface Publisher {
  repository: string;
  package: string;
}

/** The text of install.sh with its publisher filled in. Throws if there is no place for it. Pure. */
export function releasedScript(text: string, publisher: Publisher): string {
  if (!/^[\w.-]+\/[\w.-]+$/.test(publisher.repository)) {
    throw new Error(`"${publisher.repository}" is no repository; say it as owner/name`);
  }
  return [["publisher", publisher.repository], ["package", `jsr:${publisher.package}`]].reduce(
    (filled, [name, value]) => {
      const empty = `\n${name}=''\n`;
      if (!filled.includes(empty)) throw new Error(`install.sh has no line ${name}=''`);
      return filled.replace(empty, `\n${name}='${value}'\n`);
    },
    text,
  );
}

/** Install instructions for the end of the release notes. Pure. */
export function installNotes(version: string, publisher: Publisher): string {
  return `### Install

\`\`\`sh
curl -fsSL https://github.com/${publisher.repository}/releases/download/v${version}/install.sh | sh
deno run -A jsr:${publisher.package}@${version} demo   # or without installing
\`\`\`
`;
}

if (import.meta.main) {
  const { name, version } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const publisher = { repository: Deno.args[0] ?? "", package: name };
  const script = releasedScript(await Deno.readTextFile(`${ROOT}install.sh`), publisher);
  const release = newestRelease(await Deno.readTextFile(`${ROOT}CHANGELOG.md`));
  await Deno.mkdir(`${ROOT}release`, { recursive: true });
  await Deno.writeTextFile(`${ROOT}release/install.sh`, script);
  await Deno.writeTextFile(`${ROOT}notes.md`, `${release?.notes ?? ""}\n${installNotes(version, publisher)}`);
}
