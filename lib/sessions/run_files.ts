/** The files of a session that the shortest calls read and write; without anything about processes. */
import { UserError } from "../errors.ts";
import type { Profile } from "../paths.ts";
import { createOnce, parseJson, quietText, readSmallText, statOf } from "../store.ts";
import { checkRecord } from "../text/json.ts";

/** The folder of a session. */
export function sessionDir(profile: Profile, id: string): string {
  return `${profile.sessions}/${id}`;
}

/** A text of a session. A worker can do anything to its own files: only a small regular file counts. */
export function smallText(path: string): string | undefined {
  return quietText(path, readSmallText);
}

/** The fields of a session's `meta.json`; undefined when there is no readable session. */
export function readMeta(profile: Profile, id: string): Record<string, unknown> | undefined {
  const text = smallText(`${sessionDir(profile, id)}/meta.json`);
  const parsed = text === undefined ? undefined : parseJson(text, checkRecord);
  if (parsed === undefined || "bad" in parsed) return undefined;
  const { id: inner } = parsed.value;
  // A copied folder is not a second worker.
  return typeof inner === "string" && inner !== id.replace(/~\d+$/, "") ? undefined : parsed.value;
}

/** The generation of an id's present session, "" when it has none; reads one file and looks at no process. */
export function generationOf(profile: Profile, id: string): string {
  const gen = readMeta(profile, id)?.["gen"];
  return typeof gen === "string" ? gen : "";
}

/** Whether everything of an ended run on another machine is here. */
export function isFetched(dir: string): boolean {
  const text = quietText(`${dir}/mirror.json`);
  const parsed = text === undefined ? undefined : parseJson(text, checkRecord);
  return parsed !== undefined && "value" in parsed && parsed.value["fetched"] === true;
}

/** Records that a worker has called back; does nothing for ids without a session. */
export function markReady(profile: Profile, id: string): void {
  const dir = sessionDir(profile, id);
  if (statOf(`${dir}/meta.json`) === undefined || statOf(`${dir}/ready`) !== undefined) return;
  createOnce(`${dir}/ready`, "", { durable: false });
}

/** The error for an id that has no session. */
export function unknownWorker(id: string): UserError {
  return new UserError(`There is no worker "${id}"`, {
    next: "list them with `looop _ worker list`",
    kind: "not_found",
  });
}
