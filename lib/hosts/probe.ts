/** A host's properties, for `looop doctor`: asked through the same opening that workers use. */
import type { UserError } from "../errors.ts";
import { farFolder } from "./program.ts";
import type { Place } from "./place.ts";
import { converse } from "./reach.ts";

/** Programs that the far side cannot do without, and what it uses them for. */
const NEEDED = [
  "script",
  "od",
  "mkfifo",
  "awk",
  "base64",
  "sed",
  "grep",
  "cksum",
  "find",
  "tail",
  "head",
  "dd",
  "mktemp",
];
/** Says which are missing, one per line; for a session of its own it takes `setsid` or perl. */
export const MISSING = `for tool in ${
  NEEDED.join(" ")
}; do command -v $tool >/dev/null || echo "missing $tool"; done
command -v setsid >/dev/null || command -v perl >/dev/null || echo "missing setsid"
`;
/** Difference of clocks above which it is reported, s. */
const SKEW_S = 60;
/** Time limit of the questions, ms. */
const PROBE_MS = 25_000;

/** One fact about a host; `next` says how to fix it. */
export interface HostFact {
  level: "ok" | "warn" | "bad";
  message: string;
  next?: string;
}

/** The program that answers the questions, one line each. */
function probeProgram(home: string, programs: readonly string[]): string {
  const folder = farFolder(home);
  return `${MISSING}for tool in ${
    programs.join(" ")
  }; do command -v $tool >/dev/null || echo "norunner $tool"; done
echo "clock $(date +%s)"
FAR=${folder}
(umask 077; mkdir -p "$FAR/w" && : >"$FAR/.probe" && rm -f "$FAR/.probe") 2>/dev/null || echo "unwritable $FAR"
case $(df -P "$FAR" 2>/dev/null | tail -n 1) in tmpfs*) echo "tmpfs $FAR" ;; esac
if command -v loginctl >/dev/null && grep -qs '^KillUserProcesses=yes' /etc/systemd/logind.conf; then
  [ "$(loginctl show-user "$(id -un)" -p Linger --value 2>/dev/null)" = yes ] || echo nolinger
fi
n=0
for w in "$FAR"/w/*; do [ -d "$w" ] && n=$((n + 1)); done
echo "runs $n"
echo done
`;
}

/** Probes a place; returns at least one fact. */
export async function probePlace(
  place: Place,
  home: string,
  programs: readonly string[],
  nowMs: () => number,
): Promise<HostFact[]> {
  const started = performance.now();
  let lines: string[];
  try {
    const said = await converse(place.reach(), probeProgram(home, programs), {
      limitMs: PROBE_MS,
      enough: (line) => line === "done",
    });
    lines = said.lines;
  } catch (error) {
    const { message, next = "see HOSTS in README" } = error as UserError;
    return [{ level: "bad", message, next }];
  }
  const ms = Math.round(performance.now() - started);
  if (!lines.includes("done")) {
    return [{ level: "bad", message: "it ends in the middle of an answer", next: "try the command by hand" }];
  }
  const facts = lines.flatMap((line) => factOf(line, place, nowMs()));
  return [{ level: "ok", message: `reached in ${ms} ms` }, ...facts];
}

function factOf(line: string, place: Place, nowMs: number): HostFact[] {
  const [word, ...rest] = line.split(" ");
  const what = rest.join(" ");
  if (word === "missing") {
    return [{ level: "bad", message: `it has no "${what}"`, next: `install ${what} over there` }];
  }
  if (word === "norunner") {
    return [{
      level: "warn",
      message: `"${what}" is not on its PATH`,
      next: "install it there, or set PATH in `env` of this host",
    }];
  }
  if (word === "unwritable") {
    return [{
      level: "bad",
      message: `${what} cannot be written`,
      next: "make it writable, or set XDG_STATE_HOME there",
    }];
  }
  if (word === "tmpfs") {
    return [{
      level: "warn",
      message: `${what} is in memory: a reboot loses it`,
      next: "set XDG_STATE_HOME there",
    }];
  }
  if (word === "nolinger") {
    return [{
      level: "bad",
      message: "its logind ends processes at logout",
      next: "run `loginctl enable-linger` over there",
    }];
  }
  const skew = word === "clock" ? Number(what) - Math.floor(nowMs / 1000) : 0;
  if (Math.abs(skew) > SKEW_S) {
    const how = skew > 0 ? "ahead" : "behind";
    return [{
      level: "warn",
      message: `its clock is ${Math.abs(skew)} s ${how}`,
      next: "set it, e.g. by NTP",
    }];
  }
  if (word === "runs" && Number(what) > 50) {
    return [{
      level: "warn",
      message: `it holds ${what} old runs`,
      next: `they are removed after 3 days; host ${place.name}`,
    }];
  }
  return [];
}
