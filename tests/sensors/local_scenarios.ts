/**
 * Situations of the examples that watch this machine: with the real git, openssl, df, files and endpoints. Small programs
 * print what docker, kubectl and systemctl would, since no test may start those services.
 */
import { deepStrictEqual, match, notDeepStrictEqual, ok, strictEqual } from "node:assert/strict";
import {
  at,
  checkFailure,
  checkReading,
  closedPort,
  counted,
  EXIT,
  has,
  oddTitle,
  type Outcome,
  type Place,
  type Reading,
  type Scenario,
  serve,
  told,
} from "./harness.ts";

/** A sensor of this machine, with the real programs that its scenarios need. */
export interface LocalSensor {
  sensor: string;
  programs: string[];
  scenarios: Scenario[];
}

const range = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

/** A scenario with a good reading whose signal does not change on a second run. */
function reads(
  circumstance: string,
  prepare: (place: Place) => Promise<[env: Record<string, string>, path?: string]>,
  sensor: string,
  check: (reading: Reading, place: Place) => void,
): Scenario {
  return {
    circumstance,
    async run(place) {
      const [env, path] = await prepare(place);
      const first = await place.run(sensor, env, path);
      const second = await place.run(sensor, env, path);
      if (first.code === 0) deepStrictEqual(checkReading(second).signal, checkReading(first).signal);
      return first;
    },
    check: (outcome, place) => check(checkReading(outcome), place),
  };
}

/** A scenario with an event between two runs that must change the signal. */
function wakes(
  circumstance: string,
  sensor: string,
  prepare: (place: Place) => Promise<[env: Record<string, string>, path?: string]>,
  happens: (place: Place) => Promise<void>,
): Scenario {
  return {
    circumstance,
    async run(place) {
      const [env, path] = await prepare(place);
      const before = checkReading(await place.run(sensor, env, path));
      await happens(place);
      const after = await place.run(sensor, env, path);
      notDeepStrictEqual(checkReading(after).signal, before.signal);
      return after;
    },
    check: (outcome) => void checkReading(outcome),
  };
}

/** A scenario that must end in a clear failure. */
function fails(
  circumstance: string,
  prepare: (place: Place) => Promise<[env: Record<string, string>, path?: string]>,
  sensor: string,
  code: number,
  says: RegExp,
): Scenario {
  return {
    circumstance,
    run: async (place) => await place.run(sensor, ...await prepare(place)),
    check: (outcome: Outcome) => checkFailure(outcome, code, says),
  };
}

/** Runs a real program to prepare a scenario; the test fails if it fails. */
async function real(program: string, args: string[], env: Record<string, string> = {}): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args, env, stdin: "null" }).output();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

const GIT_IDENTITY = {
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_SYSTEM: "/dev/null",
  GIT_AUTHOR_NAME: "Sample",
  GIT_AUTHOR_EMAIL: "sample@example.com",
  GIT_COMMITTER_NAME: "Sample",
  GIT_COMMITTER_EMAIL: "sample@example.com",
  GIT_AUTHOR_DATE: "2026-01-05T00:00:00Z",
  GIT_COMMITTER_DATE: "2026-01-05T00:00:00Z",
};

/** A clone that is one commit ahead of its origin and one behind, with an untracked file. */
async function makeClone(place: Place): Promise<string> {
  const git = (dir: string, ...args: string[]) => real("git", ["-C", dir, ...args], GIT_IDENTITY);
  const origin = `${place.root}/origin`;
  const clone = `${place.root}/clone`;
  await real("git", ["init", "-q", "-b", "main", origin], GIT_IDENTITY);
  await git(origin, "commit", "-q", "--allow-empty", "-m", "one");
  await real("git", ["clone", "-q", origin, clone], GIT_IDENTITY);
  await git(origin, "commit", "-q", "--allow-empty", "-m", "two");
  await git(clone, "fetch", "-q");
  await git(clone, "commit", "-q", "--allow-empty", "-m", oddTitle(3));
  await Deno.writeTextFile(`${clone}/$(touch x) "quoted".txt`, "new\n");
  return clone;
}

const gitRepo: LocalSensor = {
  sensor: "git-repo",
  programs: ["git"],
  scenarios: [
    reads(
      "good",
      async (place) => [{ GIT_DIR_PATH: await makeClone(place) }],
      "git-repo",
      ({ signal, detail }) => {
        deepStrictEqual(signal.dirty, ["??"]);
        strictEqual(signal.head, "main");
        match(String((signal.branches as string[])[0]), /^main [0-9a-f]{10} ahead 1, behind 1$/);
        strictEqual(detail.items?.[0]?.upstream, "origin/main");
        match(JSON.stringify(detail.changes), /\$\(touch x\)/);
      },
    ),
    reads(
      "after a fetch",
      async (place) => {
        const clone = await makeClone(place);
        await real(
          "git",
          ["-C", `${place.root}/origin`, "commit", "-q", "--allow-empty", "-m", "three"],
          GIT_IDENTITY,
        );
        return [{ GIT_DIR_PATH: clone, GIT_FETCH: "yes" }];
      },
      "git-repo",
      ({ signal }) => match(String((signal.branches as string[])[0]), /behind 2$/),
    ),
    reads(
      "one remote of two is gone",
      async (place) => {
        const clone = await makeClone(place);
        const gone = `http://127.0.0.1:${closedPort()}/x.git`;
        await real("git", ["-C", clone, "remote", "add", "gone", gone], GIT_IDENTITY);
        return [{ GIT_DIR_PATH: clone, GIT_FETCH: "yes" }];
      },
      "git-repo",
      ({ signal, detail }) => {
        strictEqual(signal.not_seen, 1);
        match(String((detail.not_seen as string[])[0]), /^git fetch gone: /);
      },
    ),
    reads(
      "empty",
      async (place) => {
        await real("git", ["init", "-q", "-b", "main", `${place.root}/new`], GIT_IDENTITY);
        return [{ GIT_DIR_PATH: `${place.root}/new` }];
      },
      "git-repo",
      ({ signal }) => deepStrictEqual(signal, { head: "main", dirty: [], branches: [] }),
    ),
    reads(
      "huge",
      async (place) => {
        const clone = await makeClone(place);
        const commit = (await real("git", ["-C", clone, "rev-parse", "HEAD"], GIT_IDENTITY)).trim();
        const refs = range(400).map((n) => `${commit} refs/heads/${"long-".repeat(20)}${n}-🚒-$(touch-x)\n`)
          .join("");
        await Deno.writeTextFile(
          `${clone}/.git/packed-refs`,
          `# pack-refs with: peeled fully-peeled sorted \n${refs}`,
        );
        await Promise.all(range(300).map((n) => Deno.writeTextFile(`${clone}/${n}${"x".repeat(150)}`, "")));
        return [{ GIT_DIR_PATH: clone }];
      },
      "git-repo",
      (reading) => {
        strictEqual(told(reading), 401);
        strictEqual(reading.detail.changed_files, 301);
      },
    ),
    fails(
      "no repository",
      (place) => Promise.resolve([{ GIT_DIR_PATH: `${place.root}/home` }]),
      "git-repo",
      EXIT.settings,
      /no git repository/,
    ),
    fails(
      "no directory",
      () => Promise.resolve([{ GIT_DIR_PATH: "/nowhere/at/all" }]),
      "git-repo",
      EXIT.settings,
      /is no directory/,
    ),
    fails(
      "garbage",
      async (place) => {
        const clone = await makeClone(place);
        await Deno.writeTextFile(`${clone}/.git/index`, "not an index");
        return [{ GIT_DIR_PATH: clone }];
      },
      "git-repo",
      EXIT.answer,
      /git status failed/,
    ),
    fails(
      "no network",
      async (place) => {
        const clone = await makeClone(place);
        await real("git", [
          "-C",
          clone,
          "remote",
          "set-url",
          "origin",
          `http://127.0.0.1:${closedPort()}/x.git`,
        ], GIT_IDENTITY);
        return [{ GIT_DIR_PATH: clone, GIT_FETCH: "yes" }];
      },
      "git-repo",
      EXIT.unavailable,
      /git fetch failed/,
    ),
  ],
};

const files: LocalSensor = {
  sensor: "files",
  programs: ["find"],
  scenarios: [
    reads(
      "good",
      async ({ root }) => {
        await Deno.writeTextFile(`${root}/home/a b.md`, "12345");
        await Deno.utime(`${root}/home/a b.md`, 1_700_000_000, 1_700_000_000);
        await Deno.writeTextFile(`${root}/home/other.txt`, "");
        return [{ FILES_DIR: `${root}/home`, FILES_PATTERN: "*.md" }];
      },
      "files",
      ({ signal, detail }, { root }) => {
        deepStrictEqual(signal, { files: ["a b.md 5 1700000000"] });
        strictEqual(detail.items?.[0]?.changed_at, "2023-11-14T22:13:20Z");
        for (const name of ["a b.md", "other.txt"]) Deno.removeSync(`${root}/home/${name}`);
      },
    ),
    reads(
      "empty",
      ({ root }) => Promise.resolve([{ FILES_DIR: `${root}/home` }]),
      "files",
      ({ signal }) => deepStrictEqual(signal, { files: [] }),
    ),
    reads(
      "huge",
      async ({ root }) => {
        await Deno.mkdir(`${root}/many`);
        const name = (n: number) => `${n} $(touch x) "🚒" \\ ${"y".repeat(120)}`;
        await Promise.all(range(700).map((n) => Deno.writeTextFile(`${root}/many/${name(n)}`, "")));
        return [{ FILES_DIR: `${root}/many`, FILES_BY: "name" }];
      },
      "files",
      (reading) => {
        strictEqual(told(reading), 700);
        strictEqual(counted(reading), 700);
      },
    ),
    reads(
      "a name over two lines",
      async ({ root }) => {
        await Deno.mkdir(`${root}/odd`);
        await Deno.writeTextFile(`${root}/odd/a`, "");
        await Deno.writeTextFile(`${root}/odd/b\nc`, "");
        return [{ FILES_DIR: `${root}/odd`, FILES_BY: "name" }];
      },
      "files",
      ({ signal }) => deepStrictEqual(signal, { files: ["a", "b"], not_understood: 1 }),
    ),
    reads(
      "a folder that may not be read and a file that goes meanwhile",
      async (place) => {
        await Deno.mkdir(`${place.root}/some`);
        await Deno.writeTextFile(`${place.root}/some/a`, "");
        const find = `PATH=\${PATH#*:}\nfind "$@"\n` +
          `echo "find: './closed': Permission denied" >&2\n` +
          `echo "stat: cannot statx './b': No such file or directory" >&2\nexit 1\n`;
        const path = await place.program("find", `#!/bin/sh\n${find}`);
        return [{ FILES_DIR: `${place.root}/some`, FILES_BY: "name", FILES_DEPTH: "2" }, path];
      },
      "files",
      ({ signal, detail }) => {
        deepStrictEqual(signal, { files: ["a"], not_seen: 1 });
        match(String(detail.not_seen), /closed.*Permission denied/);
      },
    ),
    fails(
      "no directory",
      () => Promise.resolve([{ FILES_DIR: "/nowhere/at/all" }]),
      "files",
      EXIT.settings,
      /is no directory/,
    ),
    fails(
      "garbage",
      ({ root }) => Promise.resolve([{ FILES_DIR: root, FILES_DEPTH: "deep" }]),
      "files",
      EXIT.settings,
      /expected a whole number/,
    ),
  ],
};

const log = async (
  { root }: Place,
  text: string,
  more: Record<string, string> = {},
): Promise<[Record<string, string>]> => {
  await Deno.writeTextFile(`${root}/app.log`, text);
  return [{ LOG_FILE: `${root}/app.log`, LOG_PATTERN: "ERROR|panic", ...more }];
};
const logFile: LocalSensor = {
  sensor: "log-file",
  programs: ["grep", "tail"],
  scenarios: [
    reads(
      "good",
      (place) => log(place, "10:00 INFO fine\n10:01 ERROR one\n10:02 panic: two\n"),
      "log-file",
      ({ signal, detail }) => {
        deepStrictEqual(signal, { newest_at_byte: 32, lines: ["10:01 ERROR one", "10:02 panic: two"] });
        deepStrictEqual(detail.items, [{ line: "10:02 panic: two" }, { line: "10:01 ERROR one" }]);
      },
    ),
    wakes(
      "the same line once more",
      "log-file",
      (place) => log(place, "ERROR refused\n10:00 INFO fine\n"),
      (place) => Deno.writeTextFile(`${place.root}/app.log`, "ERROR refused\n", { append: true }),
    ),
    wakes(
      "the same line once more, in a file longer than what is looked at",
      "log-file",
      (place) => log(place, "ERROR refused\n".repeat(100), { LOG_BYTES: "140" }),
      (place) => Deno.writeTextFile(`${place.root}/app.log`, "ERROR refused\n", { append: true }),
    ),
    reads(
      "empty",
      (place) => log(place, ""),
      "log-file",
      ({ signal }) => deepStrictEqual(signal, { lines: [] }),
    ),
    reads(
      "huge",
      (place) =>
        log(place, range(3000).map((n) => `ERROR ${oddTitle(n).replace(/[\r\n]/g, " ")}\n`).join("")),
      "log-file",
      (reading) => {
        ok(Number(reading.detail.matches) > 1000);
        strictEqual(told(reading), reading.detail.matches);
      },
    ),
    reads(
      "binary",
      (place) => log(place, "ERROR \u0000\u0001 bytes \u001b[31m\n"),
      "log-file",
      (reading) => strictEqual(told(reading), 1),
    ),
    fails(
      "garbage",
      (place) => log(place, "x\n", { LOG_PATTERN: "a(b" }),
      "log-file",
      EXIT.settings,
      /no extended regular expression/,
    ),
    fails(
      "no file",
      () => Promise.resolve([{ LOG_FILE: "/nowhere", LOG_PATTERN: "x" }]),
      "log-file",
      EXIT.settings,
      /is no file/,
    ),
  ],
};

/** A scenario of http-health against a server with this answer. */
function health(
  circumstance: string,
  answer: () => Response,
  state: RegExp,
  more: Record<string, string> = {},
): Scenario {
  return {
    circumstance,
    async run(place) {
      await using server = serve(answer);
      return await place.run("http-health", { HEALTH_URLS: `${server.url}/health?key=hidden`, ...more });
    },
    check(outcome) {
      const reading = checkReading(outcome);
      match(String((reading.signal.endpoints as string[])[0]), state);
      ok(!outcome.stdout.includes("hidden"), "the query of the URL is in the output");
    },
  };
}
const httpHealth: LocalSensor = {
  sensor: "http-health",
  programs: [],
  scenarios: [
    health("good", () => new Response("OK"), /health up$/),
    health("empty", () => new Response(null, { status: 204 }), /health up$/),
    health("401", () => new Response("", { status: 401 }), /health down http_401$/),
    health("429", () => new Response("", { status: 429 }), /health down http_429$/),
    health("500", () => new Response("", { status: 500 }), /health down http_500$/),
    health("huge", () => new Response("x".repeat(8_000_000)), /health up$/),
    health("garbage", () => new Response("<html>maintenance</html>"), /health down text_missing$/, {
      HEALTH_TEXT: '"status":"ok"',
    }),
    reads(
      "many endpoints",
      () => {
        const port = closedPort();
        return Promise.resolve([{
          HEALTH_URLS: range(40).map((n) => `http://127.0.0.1:${port}/${"p".repeat(200)}/${n}`).join(" "),
        }]);
      },
      "http-health",
      (reading) => {
        strictEqual(told(reading), 40);
        strictEqual(counted(reading), 40);
      },
    ),
    reads(
      "no network",
      () => Promise.resolve([{ HEALTH_URLS: `http://u:p@127.0.0.1:${closedPort()}/` }]),
      "http-health",
      ({ signal }) => {
        match(
          String((signal.endpoints as string[])[0]),
          /^http:\/\/127\.0\.0\.1:\d+\/ down connection_refused$/,
        );
      },
    ),
    fails(
      "no URL",
      () => Promise.resolve([{ HEALTH_URLS: "ftp://x" }]),
      "http-health",
      EXIT.settings,
      /does not begin with http/,
    ),
  ],
};

/** Serves a certificate, made by the real openssl, that ends in this many days. */
function certificate(circumstance: string, days: string[], check: (reading: Reading) => void): Scenario {
  return {
    circumstance,
    async run(place) {
      const [key, cert] = [`${place.root}/key.pem`, `${place.root}/cert.pem`];
      const subject = '/O=Zertifikat \u00fc "quoted"/CN=localhost';
      await real(
        "openssl",
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-utf8"]
          .concat(["-keyout", key, "-out", cert, "-subj", subject, ...days]),
      );
      await using server = Deno.serve({
        hostname: "127.0.0.1",
        port: 0,
        onListen: () => {},
        cert: await Deno.readTextFile(cert),
        key: await Deno.readTextFile(key),
      }, () => new Response(""));
      const first = await place.run("tls-expiry", {
        TLS_HOSTS: `127.0.0.1:${server.addr.port} 127.0.0.1:${closedPort()}`,
      });
      return first;
    },
    check: (outcome) => check(checkReading(outcome)),
  };
}
const tlsExpiry: LocalSensor = {
  sensor: "tls-expiry",
  programs: ["openssl"],
  scenarios: [
    certificate("good", ["-days", "400"], ({ signal, detail }) => {
      const hosts = signal.hosts as string[];
      ok(hosts.some((host) => /not trusted 20\d\d-\d\d-\d\d$/.test(host)), hosts.join());
      ok(hosts.some((host) => / unreachable$/.test(host)), hosts.join());
      match(String(detail.items?.find((item) => item.state === "not trusted")?.verify), /self.signed/);
    }),
    certificate(
      "ends soon",
      ["-days", "5"],
      ({ signal }) => match(JSON.stringify(signal), / expires soon 20/),
    ),
    fails(
      "no network",
      () => Promise.resolve([{ TLS_HOSTS: `127.0.0.1:${closedPort()}` }]),
      "tls-expiry",
      EXIT.unavailable,
      /shows a certificate/,
    ),
    {
      circumstance: "garbage",
      async run(place) {
        await using server = serve(() => new Response("not TLS"));
        return await place.run("tls-expiry", { TLS_HOSTS: server.url.replace("http://", "") });
      },
      check: (outcome) => checkFailure(outcome, EXIT.unavailable, /shows a certificate/),
    },
    {
      circumstance: "silence",
      async run(place) {
        using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
        return await place.run("tls-expiry", {
          TLS_HOSTS: `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`,
          TLS_SECONDS: "1",
        });
      },
      check: (outcome) => checkFailure(outcome, EXIT.unavailable, /shows a certificate/),
    },
    reads(
      "a date of another form among good ones",
      async (
        place,
      ) => [{ TLS_HOSTS: "good.example odd.example" }, await place.program("openssl", FAKE_OPENSSL)],
      "tls-expiry",
      ({ signal, detail }) => {
        deepStrictEqual(signal, { hosts: ["good.example:443 ok 2099-01-05"], not_understood: 1 });
        match(
          String(detail.not_understood),
          /^odd\.example:443: openssl prints its certificate in an unknown form/,
        );
      },
    ),
    fails("empty", () => Promise.resolve([{ TLS_HOSTS: " " }]), "tls-expiry", EXIT.settings, /no host/),
    fails(
      "an odd host",
      () => Promise.resolve([{ TLS_HOSTS: "-connect$(touch x)" }]),
      "tls-expiry",
      EXIT.settings,
      /expected host/,
    ),
  ],
};

/** An openssl that uses the host's name as the certificate; the one of `odd.example` has an unreadable end. */
const FAKE_OPENSSL = `#!/bin/sh
if [ "$1" = s_client ]; then
  printf 'host=%s\\n    Verify return code: 0 (ok)\\n' "\${3%:*}"
  exit
fi
host=$(sed -n 's/^host=//p' "$3")
case " $* $host" in
  *" -text"*) printf '            X509v3 Subject Alternative Name: \\n                DNS:%s\\n' "$host" ;;
  *odd*) printf 'notAfter=in the year 2099\\nsubject=CN = %s\\n' "$host" ;;
  *) printf 'notAfter=Jan  5 10:00:00 2099 GMT\\nsubject=CN = %s\\n' "$host" ;;
esac
`;

const DF_HEAD = "Filesystem     1024-blocks      Used Available Capacity Mounted on";
const fakeDf = async (place: Place, lines: string[]): Promise<[Record<string, string>, string]> => [
  {},
  await place.program("df", `#!/bin/sh\ncat <<'END'\n${[DF_HEAD, ...lines].join("\n")}\nEND\n`),
];
const disk: LocalSensor = {
  sensor: "disk",
  programs: ["df"],
  scenarios: [
    reads(
      "good",
      () => Promise.resolve([{ DISK_WARN: "101", DISK_CRITICAL: "102" }]),
      "disk",
      ({ signal }) => {
        ok((signal.disks as string[]).includes("/ ok"), JSON.stringify(signal));
      },
    ),
    reads(
      "filling up",
      (place) =>
        fakeDf(place, [
          "/dev/disk1s1   976490576 871000000  90000000    91%    /System/Volumes/My Data",
          "map auto_home          0         0         0   100%    /home",
          "tmpfs             16000     16000         0   100%    /run",
          "/dev/sda1      1000000   1000000         0   100%    /",
        ]),
      "disk",
      ({ signal }) => deepStrictEqual(signal, { disks: ["/ critical", "/System/Volumes/My Data warning"] }),
    ),
    reads(
      "huge",
      (place) =>
        fakeDf(place, range(500).map((n) => `/dev/sd${n} 1000 10 990 1% /mnt/${"m".repeat(100)}${n}`)),
      "disk",
      (reading) => {
        strictEqual(told(reading), 500);
        strictEqual(counted(reading), 500);
      },
    ),
    reads(
      "disk images and CD-ROMs",
      async (place) => {
        await place.program(
          "mount",
          `#!/bin/sh\ncat <<'END'
/dev/sr0 on /media/cd type iso9660 (ro,nosuid,nodev,relatime) [DISC]
/dev/disk4s1 on /Volumes/App 1.0 (hfs, local, nodev, nosuid, read-only, noowners, mounted by me)
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
/dev/sdb1 on /data type ext4 (rw,relatime,errors=remount-ro)
END\n`,
        );
        return await fakeDf(place, [
          "/dev/sr0         700000    700000         0   100%    /media/cd",
          "/dev/disk4s1     300000    300000         0   100%    /Volumes/App 1.0",
          "/dev/disk3s1s1  1000000    100000    900000    10%    /",
          "/dev/sdb1       1000000    990000     10000    99%    /data",
        ]);
      },
      "disk",
      ({ signal }) => deepStrictEqual(signal, { disks: ["/ ok", "/data critical"] }),
    ),
    reads(
      "one of the named paths is gone",
      () => Promise.resolve([{ DISK_PATHS: "/ /nowhere/at/all", DISK_WARN: "101", DISK_CRITICAL: "102" }]),
      "disk",
      ({ signal, detail }) => {
        deepStrictEqual(signal, { disks: ["/ ok"], not_seen: 1 });
        match(String((detail.not_seen as string[])[0]), /nowhere/);
      },
    ),
    fails("empty", (place) => fakeDf(place, []), "disk", EXIT.answer, /no disk in a known form/),
    fails(
      "garbage",
      (place) => fakeDf(place, ["<html>oops</html>"]),
      "disk",
      EXIT.answer,
      /no disk in a known form/,
    ),
    fails(
      "no such path",
      () => Promise.resolve([{ DISK_PATHS: "/nowhere/at/all" }]),
      "disk",
      EXIT.settings,
      /nowhere/,
    ),
  ],
};

const hostLoad: LocalSensor = {
  sensor: "host-load",
  programs: ["uptime", "getconf"],
  scenarios: [
    reads(
      "good",
      () => Promise.resolve([{ LOAD_WARN: "999990", LOAD_CRITICAL: "999999" }]),
      "host-load",
      ({ signal, detail }) => {
        strictEqual(signal.load, "fine");
        ok(["fine", "high", "critical"].includes(String(signal.memory)));
        strictEqual((detail.load_1_5_15 as number[]).length, 3);
      },
    ),
    reads(
      "high",
      async (place) => [
        {},
        await place.program(
          "uptime",
          "#!/bin/sh\necho '12:00  up 3 days, 2 users, load averages: 1,23 99999.00 3.00' | tr , .\n",
        ),
      ],
      "host-load",
      ({ signal }) => strictEqual(signal.load, "critical"),
    ),
    fails(
      "garbage",
      async (place) => [{}, await place.program("uptime", "#!/bin/sh\necho '<html>'\n")],
      "host-load",
      EXIT.answer,
      /does not tell the load/,
    ),
    fails(
      "bad settings",
      () => Promise.resolve([{ LOAD_WARN: "much" }]),
      "host-load",
      EXIT.settings,
      /LOAD_WARN is "much"/,
    ),
  ],
};

export const unit = (n: number, state: string) =>
  [
    "Result=" + (state === "failed" ? "exit-code" : "success"),
    `NRestarts=${n}`,
    "ExecMainStatus=1",
    `Id=worker@${n}.service`,
    `Description=${oddTitle(n).replace(/[\r\n]/g, " ")} = with an equals sign`,
    "LoadState=loaded",
    `ActiveState=${state}`,
    "SubState=dead",
    "UnitFileState=enabled",
    "StateChangeTimestamp=Mon 2026-01-05 10:00:00 UTC",
  ].join("\n");
const fakeSystemctl = async (
  place: Place,
  units: string[],
  show = units.join("\n\n"),
): Promise<[Record<string, string>, string]> => {
  const names = units.map((_, i) => `worker@${i + 1}.service loaded failed failed some text`).join("\n");
  const script = `#!/bin/sh\ncase "$*" in *list-units*) cat "$0.list" ;; *) cat "$0.show" ;; esac\n`;
  await Deno.writeTextFile(`${place.root}/bin/systemctl.list`, names === "" ? "" : `${names}\n`);
  await Deno.writeTextFile(`${place.root}/bin/systemctl.show`, `${show}\n`);
  return [{}, await place.program("systemctl", script)];
};
const systemdUnit: LocalSensor = {
  sensor: "systemd-unit",
  programs: [],
  scenarios: [
    reads(
      "good",
      async (place) => {
        const [, path] = await fakeSystemctl(place, [unit(1, "active"), unit(2, "failed")]);
        return [{ UNITS: "worker@1.service worker@2.service" }, path];
      },
      "systemd-unit",
      ({ signal }) => {
        deepStrictEqual(signal, { units: ["worker@1.service active", "worker@2.service failed exit-code"] });
      },
    ),
    reads(
      "empty",
      (place) => fakeSystemctl(place, []),
      "systemd-unit",
      ({ signal }) => deepStrictEqual(signal, { units: [] }),
    ),
    reads(
      "huge",
      (place) => fakeSystemctl(place, range(90).map((n) => unit(n, "failed"))),
      "systemd-unit",
      (reading) => {
        strictEqual(told(reading), 90);
        strictEqual(counted(reading), 90);
      },
    ),
    reads(
      "a unit of another form among good ones",
      (place) =>
        fakeSystemctl(place, [unit(1, "failed")], `${unit(1, "failed")}\n\nNames=odd.service\nResult=x`),
      "systemd-unit",
      ({ signal, detail }) => {
        deepStrictEqual(signal, { units: ["worker@1.service failed exit-code"], not_understood: 1 });
        match(String(detail.not_understood), /odd\.service/);
      },
    ),
    reads(
      "more failed units than are asked for",
      (place) =>
        fakeSystemctl(
          place,
          range(140).map((n) => unit(n, "failed")),
          range(100).map((n) => unit(n, "failed")).join("\n\n"),
        ),
      "systemd-unit",
      (reading) => {
        strictEqual(counted(reading), 140);
        strictEqual(told(reading), 140);
      },
    ),
    fails(
      "garbage",
      (place) => fakeSystemctl(place, [unit(1, "failed")], "A=b\n<html>"),
      "systemd-unit",
      EXIT.answer,
      /unknown form/,
    ),
    fails(
      "no systemd",
      async (place) => [{}, await place.program("systemctl", NO_SYSTEMD)],
      "systemd-unit",
      EXIT.unavailable,
      /not been booted with systemd/,
    ),
    {
      circumstance: "the real systemctl, if there is one",
      run: (place) =>
        has("systemctl")
          ? place.run("systemd-unit", {})
          : Promise.resolve({ code: -1, stdout: "", stderr: "" }),
      check(outcome) {
        if (outcome.code === 0) checkReading(outcome);
        else if (outcome.code > 0) checkFailure(outcome, EXIT.unavailable, /^systemctl: /);
      },
    },
    fails(
      "an odd unit",
      () => Promise.resolve([{ UNITS: "--now=$(touch x)" }]),
      "systemd-unit",
      EXIT.settings,
      /no unit name|not installed/,
    ),
  ],
};
const NO_SYSTEMD = `#!/bin/sh
echo "System has not been booted with systemd as init system (PID 1). Can't operate." >&2
echo "Failed to connect to bus: Host is down" >&2
exit 1
`;

export const container = (n: number, state: string, status: string) =>
  JSON.stringify({
    Command: '"/docker-entrypoint.sh nginx"',
    CreatedAt: "2026-01-05 10:00:00 +0000 UTC",
    ID: n.toString(16).padStart(64, "a"),
    Image: "nginx:1.29",
    Labels: oddTitle(n),
    LocalVolumes: "0",
    Mounts: "",
    Names: `web-${n}`,
    Networks: "bridge",
    Ports: "0.0.0.0:8080->80/tcp",
    RunningFor: `${n} hours ago`,
    Size: "0B",
    State: state,
    Status: status,
  });
/** A scenario of the real program, if it is installed, with a service that is down. */
const realOne = (
  program: string,
  sensor: string,
  env: (place: Place) => Promise<Record<string, string>>,
): Scenario => ({
  circumstance: `the real ${program}, if there is one`,
  run: async (place) =>
    has(program) ? await place.run(sensor, await env(place)) : { code: -1, stdout: "", stderr: "" },
  check(outcome, place) {
    if (outcome.code !== -1) checkFailure(outcome, EXIT.unavailable, new RegExp(`^${program}: `));
    Deno.removeSync(`${place.root}/home`, { recursive: true });
    Deno.mkdirSync(`${place.root}/home`);
  },
});
/** Makes a program that prints a file beside it, so that the text needs no shell quoting. */
const printing = async (
  place: Place,
  name: string,
  text: string,
): Promise<[Record<string, string>, string]> => {
  await Deno.writeTextFile(`${place.root}/bin/${name}.out`, text);
  return [{}, await place.program(name, `#!/bin/sh\ncat "$0.out"\n`)];
};
const refusing = async (
  place: Place,
  name: string,
  message: string,
): Promise<[Record<string, string>, string]> => [
  {},
  await place.program(name, `#!/bin/sh\necho '${message}' >&2\nexit 1\n`),
];
const dockerContainers: LocalSensor = {
  sensor: "docker-containers",
  programs: [],
  scenarios: [
    reads(
      "good",
      (place) =>
        printing(
          place,
          "docker",
          [
            container(1, "running", "Up 3 hours (healthy)"),
            container(2, "running", `Up ${new Date().getSeconds()} seconds (unhealthy)`),
            container(3, "exited", "Exited (137) 2 days ago"),
          ].join("\n"),
        ),
      "docker-containers",
      ({ signal, detail }) => {
        deepStrictEqual(signal, {
          containers: ["web-1 running", "web-2 running unhealthy", "web-3 exited 137"],
        });
        strictEqual(detail.items?.[0]?.name, "web-2");
      },
    ),
    reads(
      "empty",
      (place) => printing(place, "docker", ""),
      "docker-containers",
      ({ signal }) => deepStrictEqual(signal, { containers: [] }),
    ),
    reads(
      "huge",
      (place) =>
        printing(place, "docker", range(500).map((n) => container(n, "running", "Up 2 days")).join("\n")),
      "docker-containers",
      (reading) => {
        strictEqual(told(reading), 500);
        strictEqual(counted(reading), 500);
      },
    ),
    reads(
      "podman under its name",
      (place) =>
        printing(
          place,
          "docker",
          [
            '{"AutoRemove":false,"Command":["nginx"],"CreatedAt":"3 hours ago","Exited":false,"ExitCode":0,"Id":"4f2b8e0c1d3a5f6b7c8d","Image":"docker.io/library/nginx:latest","Names":["web"],"Pid":4242,"Ports":[{"host_ip":"","container_port":80,"host_port":8080,"range":1,"protocol":"tcp"}],"State":"running","Status":"Up 3 hours (unhealthy)","Created":1767571200}',
            '{"Command":["job"],"CreatedAt":"2 days ago","Exited":true,"ExitCode":2,"Id":"9a8b7c6d5e4f3a2b1c0d","Image":"job","Names":["job"],"Ports":null,"State":"exited","Status":"Exited (2) 2 days ago"}',
          ].join("\n"),
        ),
      "docker-containers",
      ({ signal, detail }) => {
        deepStrictEqual(signal, { containers: ["job exited 2", "web running unhealthy"] });
        deepStrictEqual(detail.items?.map(({ id, ports }) => [id, ports]), [
          ["9a8b7c6d5e4f", null],
          ["4f2b8e0c1d3a", "8080->80/tcp"],
        ]);
      },
    ),
    reads(
      "one line of another form",
      (place) =>
        printing(place, "docker", `${container(1, "running", "Up 2 days")}\nWARNING: no swap limit\n`),
      "docker-containers",
      ({ signal }) => deepStrictEqual(signal, { containers: ["web-1 running"], not_understood: 1 }),
    ),
    fails(
      "401",
      (place) =>
        refusing(
          place,
          "docker",
          "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
        ),
      "docker-containers",
      EXIT.forbidden,
      /permission denied/,
    ),
    fails(
      "no network",
      (place) =>
        refusing(
          place,
          "docker",
          "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        ),
      "docker-containers",
      EXIT.unavailable,
      /Cannot connect/,
    ),
    realOne(
      "docker",
      "docker-containers",
      () => Promise.resolve({ DOCKER_HOST: `tcp://127.0.0.1:${closedPort()}` }),
    ),
    fails(
      "garbage",
      (place) => printing(place, "docker", "<html>\n"),
      "docker-containers",
      EXIT.answer,
      /unknown form/,
    ),
    fails(
      "other JSON",
      (place) => printing(place, "docker", '{"message":"ok"}\n'),
      "docker-containers",
      EXIT.answer,
      /unknown form/,
    ),
  ],
};

export const pod = (n: number, ready: boolean, waiting?: string, crashedAt?: string) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name: `api-7d9c5b-${n}`,
    namespace: "shop",
    uid: "0b8ab5f4",
    labels: { app: "api" },
    creationTimestamp: at(n),
  },
  spec: { nodeName: "node-1", restartPolicy: "Always", containers: [{ name: "api", image: "api:1" }] },
  status: {
    phase: "Running",
    startTime: at(n),
    conditions: [
      { type: "Initialized", status: "True", lastTransitionTime: at(n) },
      {
        type: "Ready",
        status: ready ? "True" : "False",
        ...(ready ? {} : { reason: "ContainersNotReady", message: oddTitle(n) }),
      },
    ],
    containerStatuses: [{
      name: "api",
      ready,
      restartCount: n,
      image: "api:1",
      imageID: "sha256:1",
      state: waiting === undefined
        ? { running: { startedAt: at(n) } }
        : { waiting: { reason: waiting, message: oddTitle(n) } },
      lastState: crashedAt === undefined
        ? {}
        : { terminated: { exitCode: 1, reason: "Error", finishedAt: crashedAt, startedAt: at(n) } },
    }],
  },
});
export const pods = (...items: unknown[]) =>
  JSON.stringify({ apiVersion: "v1", kind: "List", metadata: { resourceVersion: "" }, items }, null, 4);
const k8sPods: LocalSensor = {
  sensor: "k8s-pods",
  programs: [],
  scenarios: [
    reads(
      "good",
      (place) =>
        printing(
          place,
          "kubectl",
          pods(
            pod(1, true),
            pod(2, false, "ImagePullBackOff"),
            pod(3, true, undefined, new Date(Date.now() - 60_000).toISOString()),
            pod(4, true, undefined, at(0)),
          ),
        ),
      "k8s-pods",
      ({ signal, detail }) => {
        deepStrictEqual(signal, { pods: ["shop/api-7d9c5b-2 not ready", "shop/api-7d9c5b-3 restarting"] });
        strictEqual(detail.items?.[0]?.reason, "ImagePullBackOff");
        strictEqual(detail.pods_looked_at, 4);
      },
    ),
    reads(
      "empty",
      (place) => printing(place, "kubectl", pods()),
      "k8s-pods",
      ({ signal }) => deepStrictEqual(signal, { pods: [] }),
    ),
    reads(
      "huge",
      (place) =>
        printing(place, "kubectl", pods(...range(400).map((n) => pod(n, false, "CrashLoopBackOff")))),
      "k8s-pods",
      (reading) => {
        strictEqual(told(reading), 400);
        strictEqual(counted(reading), 400);
      },
    ),
    reads(
      "pods of another form among good ones",
      (place) =>
        printing(
          place,
          "kubectl",
          pods(null, { kind: "Pod", metadata: { namespace: "shop" } }, pod(2, false, "ErrImagePull"), {
            ...pod(5, true),
            status: "Running",
          }),
        ),
      "k8s-pods",
      ({ signal, detail }) => {
        deepStrictEqual(signal, { pods: ["shop/api-7d9c5b-2 not ready"], not_understood: 3 });
        match(String(detail.not_understood), /api-7d9c5b-5/);
      },
    ),
    fails(
      "401",
      (place) => refusing(place, "kubectl", "error: You must be logged in to the server (Unauthorized)"),
      "k8s-pods",
      EXIT.forbidden,
      /Unauthorized/,
    ),
    fails(
      "no network",
      (place) =>
        refusing(
          place,
          "kubectl",
          "The connection to the server localhost:8080 was refused - did you specify the right host or port?",
        ),
      "k8s-pods",
      EXIT.unavailable,
      /was refused/,
    ),
    fails(
      "bad settings",
      (place) => refusing(place, "kubectl", 'error: context "nowhere" does not exist'),
      "k8s-pods",
      EXIT.settings,
      /does not exist/,
    ),
    realOne("kubectl", "k8s-pods", async ({ root }) => {
      const server = `http://127.0.0.1:${closedPort()}`;
      const context = `{"name":"c","context":{"cluster":"c","user":"u"}}`;
      await Deno.writeTextFile(
        `${root}/kubeconfig`,
        `{"apiVersion":"v1","kind":"Config","clusters":[{"name":"c","cluster":{"server":"${server}"}}],` +
          `"contexts":[${context}],"current-context":"c"}`,
      );
      return { KUBECONFIG: `${root}/kubeconfig` };
    }),
    fails(
      "garbage",
      (place) => printing(place, "kubectl", "<html>\n"),
      "k8s-pods",
      EXIT.answer,
      /no list of pods/,
    ),
    fails(
      "other JSON",
      (place) => printing(place, "kubectl", '{"kind":"Status","status":"Failure"}'),
      "k8s-pods",
      EXIT.answer,
      /no list of pods/,
    ),
  ],
};

const today: LocalSensor = {
  sensor: "today",
  programs: [],
  scenarios: [
    reads(
      "good",
      () => Promise.resolve([{ TZ: "UTC" }]),
      "today",
      ({ signal }) => match(String(signal.date), /^20\d\d-\d\d-\d\d$/),
    ),
  ],
};

/** The last of these daily times that has passed in UTC, and the next one, computed in another way than jq does. */
function slot(times: string[], weekdays: string): { due: string; next: string } {
  const now = new Date().toISOString().slice(0, 16).replace("T", " ");
  const days = Array.from({ length: 17 }, (_, i) => new Date(Date.now() + (i - 8) * 86_400_000))
    .filter((day) => weekdays.includes(String(day.getUTCDay() === 0 ? 7 : day.getUTCDay())));
  const slots = days.flatMap((day) => times.map((time) => `${day.toISOString().slice(0, 10)} ${time}`))
    .sort();
  return { due: slots.filter((slot) => slot <= now).at(-1)!, next: slots.find((slot) => slot > now)! };
}
const every: LocalSensor = {
  sensor: "every",
  programs: [],
  scenarios: [
    ...([["00:00"], ["23:59"], ["06:00", "12:00", "18:30"]] as const).flatMap((times) =>
      ["1234567", "12345", String(new Date().getUTCDay() || 7)].map((days) =>
        reads(
          times.length === 1 && times[0] === "00:00" && days === "1234567"
            ? "good"
            : `at ${times} on ${days}`,
          () => Promise.resolve([{ TZ: "UTC", AT: times.join(" "), DAYS: days }]),
          "every",
          ({ signal, detail }) => {
            deepStrictEqual({ due: signal.due, next: detail.next }, slot([...times], days));
          },
        )
      )
    ),
    reads(
      "every so many minutes",
      () => Promise.resolve([{ MINUTES: "525600" }]),
      "every",
      ({ signal }) => match(String(signal.due), /T00:00:00Z$/),
    ),
    fails(
      "garbage",
      () => Promise.resolve([{ AT: "9 o'clock" }]),
      "every",
      EXIT.settings,
      /expected times such as/,
    ),
    fails("empty", () => Promise.resolve([{ AT: " " }]), "every", EXIT.settings, /holds no time/),
  ],
};

const ledgerRow = (ts: string, usd: number, n: number) =>
  JSON.stringify({
    ts,
    kind: n % 2 === 0 ? "session" : "root",
    id: oddTitle(n),
    runner: `runner-${n % 3}`,
    cost_usd: usd,
  });
const ledger = async (
  { root }: Place,
  lines: string[],
  more: Record<string, string> = {},
): Promise<[Record<string, string>]> => {
  await Deno.mkdir(`${root}/data`);
  if (lines.length > 0) await Deno.writeTextFile(`${root}/data/cost.jsonl`, lines.join("\n") + "\n");
  return [{ LOOOP_DATA_DIR: `${root}/data`, TZ: "UTC", ...more }];
};
const now = () => new Date().toISOString().replace(/\.\d+/, "");
const llmSpend: LocalSensor = {
  sensor: "llm-spend",
  programs: [],
  scenarios: [
    reads(
      "good",
      (place) =>
        ledger(place, [
          ledgerRow("2026-01-05T10:00:00Z", 90, 1),
          ledgerRow(now(), 1.25, 2),
          ledgerRow(now(), 0.5, 3),
        ]),
      "llm-spend",
      ({ signal, detail }) => {
        strictEqual(signal.level, "fine");
        strictEqual(detail.spent_today_usd, 1.75);
        deepStrictEqual(detail.by_runner, { "runner-2": 1.25, "runner-0": 0.5 });
      },
    ),
    reads(
      "over the budget",
      (place) => ledger(place, [ledgerRow(now(), 1.25, 2)], { BUDGET_USD: "1.2" }),
      "llm-spend",
      ({ signal }) => strictEqual(signal.level, "over budget"),
    ),
    reads(
      "empty",
      (place) => ledger(place, []),
      "llm-spend",
      ({ detail }) => strictEqual(detail.spent_today_usd, 0),
    ),
    reads(
      "huge",
      (place) => ledger(place, range(5000).map((n) => ledgerRow(now(), 0.001, n))),
      "llm-spend",
      ({ signal, detail }) => {
        strictEqual(signal.level, "over half");
        strictEqual(detail.entries_today, 5000);
      },
    ),
    reads(
      "garbage",
      (place) =>
        ledger(place, ["<html>", ledgerRow(now(), 2, 1), '{"ts":"x","cost_usd":1}', '{"ts":"2026-01-0']),
      "llm-spend",
      ({ signal, detail }) => {
        strictEqual(detail.spent_today_usd, 2);
        strictEqual(detail.lines_skipped, 3);
        strictEqual(signal.not_understood, 3, "what was skipped may be money");
      },
    ),
    fails(
      "bad settings",
      (place) => ledger(place, [], { BUDGET_USD: "lots" }),
      "llm-spend",
      EXIT.settings,
      /BUDGET_USD is "lots"/,
    ),
    fails(
      "no data dir",
      () => Promise.resolve([{ LOOOP_DATA_DIR: "/nowhere" }]),
      "llm-spend",
      EXIT.settings,
      /is no directory/,
    ),
  ],
};

/** A clone whose origin has a merged branch, and one by another author that is two commits ahead and one behind. */
async function makeBranches(place: Place): Promise<string> {
  const clone = await makeClone(place);
  const git = (...args: string[]) =>
    real("git", ["-C", `${place.root}/origin`, ...args], { ...GIT_IDENTITY, GIT_AUTHOR_NAME: "Other" });
  await git("branch", "merged", "main");
  await git("checkout", "-q", "-b", "topic", "main~1");
  for (const message of ["three", oddTitle(0)]) await git("commit", "-q", "--allow-empty", "-m", message);
  await git("checkout", "-q", "main");
  await real("git", ["-C", clone, "fetch", "-q"], GIT_IDENTITY);
  return clone;
}
const gitUnmerged: LocalSensor = {
  sensor: "git-unmerged",
  programs: ["git"],
  scenarios: [
    reads(
      "good",
      async (place) => [{ GIT_DIR_PATH: await makeBranches(place) }],
      "git-unmerged",
      ({ signal, detail }) => {
        const names = (signal.unmerged as string[]).map((key) => key.replace(/ [0-9a-f]{10}$/, ""));
        // The clone's own main is ahead of its origin's.
        deepStrictEqual(names, ["main", "origin/topic"]);
        strictEqual(detail.base, "origin/main");
        const { author, ahead, behind, date } = detail.items!.find(({ branch }) =>
          branch === "origin/topic"
        )!;
        deepStrictEqual([author, ahead, behind], ["Other", 2, 1]);
        strictEqual(Date.parse(String(date)), Date.parse("2026-01-05T00:00:00Z"));
      },
    ),
    reads(
      "only some, against another base",
      async (
        place,
      ) => [{ GIT_DIR_PATH: await makeBranches(place), GIT_BASE: "main", GIT_BRANCHES: "topic$" }],
      "git-unmerged",
      ({ signal, detail }) => {
        match(String(signal.unmerged), /^origin\/topic [0-9a-f]{10}$/);
        strictEqual(detail.base, "main");
      },
    ),
    reads(
      "no network",
      async (place) => {
        const clone = await makeBranches(place);
        const gone = `http://127.0.0.1:${closedPort()}/x.git`;
        await real("git", ["-C", clone, "remote", "set-url", "origin", gone], GIT_IDENTITY);
        return [{ GIT_DIR_PATH: clone, GIT_FETCH: "yes" }];
      },
      "git-unmerged",
      ({ signal }) => {
        strictEqual(signal.not_seen, 1);
        strictEqual((signal.unmerged as string[]).length, 2);
      },
    ),
    reads(
      "huge",
      async (place) => {
        const clone = await makeBranches(place);
        const commit = (await real("git", ["-C", clone, "rev-parse", "HEAD"], GIT_IDENTITY)).trim();
        const refs = range(400).map((n) => `${commit} refs/heads/${"long-".repeat(20)}${n}-🚒-$(touch-x)\n`);
        await Deno.writeTextFile(
          `${clone}/.git/packed-refs`,
          `# pack-refs with: peeled fully-peeled sorted \n${refs.join("")}`,
        );
        return [{ GIT_DIR_PATH: clone, GIT_BASE: "main~1" }];
      },
      "git-unmerged",
      (reading) => strictEqual(told(reading), counted(reading)),
    ),
    fails(
      "empty",
      async (place) => {
        await real("git", ["init", "-q", "-b", "main", `${place.root}/new`], GIT_IDENTITY);
        return [{ GIT_DIR_PATH: `${place.root}/new` }];
      },
      "git-unmerged",
      EXIT.settings,
      /no default branch .*: set GIT_BASE/,
    ),
    fails(
      "no repository",
      (place) => Promise.resolve([{ GIT_DIR_PATH: `${place.root}/home` }]),
      "git-unmerged",
      EXIT.settings,
      /no git repository/,
    ),
    fails(
      "garbage",
      async (place) => [{ GIT_DIR_PATH: await makeBranches(place), GIT_BRANCHES: "a(b" }],
      "git-unmerged",
      EXIT.settings,
      /no regular expression/,
    ),
  ],
};

const running = (command: string, more: Record<string, string> = {}) => () =>
  Promise.resolve([{ COMMAND: command, ...more }] as [Record<string, string>]);
const command: LocalSensor = {
  sensor: "command",
  programs: [],
  scenarios: [
    reads("good", running("echo fine; echo two >&2"), "command", ({ signal, detail }) => {
      deepStrictEqual(signal, { exit: 0, state: "ok", lines: [] });
      deepStrictEqual(detail.items, [{ line: "two" }, { line: "fine" }]);
    }),
    reads("empty", running("true"), "command", ({ signal }) => strictEqual(signal.state, "ok")),
    reads(
      "failing",
      running('echo "took $$ ms"; echo "not ok 3 - sums"; exit 3', { COMMAND_PATTERN: "^not ok" }),
      "command",
      ({ signal }) => deepStrictEqual(signal, { exit: 3, state: "failed", lines: ["not ok 3 - sums"] }),
    ),
    reads(
      "not there",
      running("no-such-program-at-all"),
      "command",
      ({ signal }) => strictEqual(signal.exit, 127),
    ),
    reads(
      "without an end, ignoring TERM",
      running("trap '' TERM; echo begun; while :; do sleep 1; done", { COMMAND_SECONDS: "1" }),
      "command",
      ({ signal, detail }) => {
        deepStrictEqual(signal, { exit: null, state: "unfinished", lines: [] });
        deepStrictEqual(detail.items, [{ line: "begun" }]);
      },
    ),
    reads(
      "leaving something that runs on",
      running("sleep 600 & echo done"),
      "command",
      ({ signal }) => deepStrictEqual(signal, { exit: 0, state: "ok", lines: [] }),
    ),
    reads(
      "huge",
      running('n=0; while [ $n -lt 3000 ]; do n=$((n + 1)); echo "line $n 🚒 $(printf %0200d 0)"; done'),
      "command",
      (reading) => strictEqual(told(reading), reading.detail.lines),
    ),
    fails(
      "no directory",
      running("true", { COMMAND_DIR: "/nowhere/at/all" }),
      "command",
      EXIT.settings,
      /no directory/,
    ),
    fails(
      "garbage",
      running("echo x", { COMMAND_PATTERN: "a(b" }),
      "command",
      EXIT.settings,
      /regular expression/,
    ),
  ],
};

const queueFolder: LocalSensor = {
  sensor: "queue-folder",
  programs: ["find"],
  scenarios: [
    reads(
      "good",
      async ({ root }) => {
        await Deno.mkdir(`${root}/queue`);
        const write = async (name: string, text: string, time: number) => {
          await Deno.writeTextFile(`${root}/queue/${name}`, text);
          await Deno.utime(`${root}/queue/${name}`, time, time);
        };
        await write("second.json", '{"job": 2}\n', 1_700_000_100);
        await write("first $(touch x).json", '{"job": 1}\n', 1_700_000_000);
        await write("half.json.tmp", "{", 1_700_000_000);
        await write(".hidden.json", "{", 1_700_000_000);
        await write("writing.json", "{", Date.now() / 1000 + 60);
        return [{ QUEUE_DIR: `${root}/queue`, QUEUE_PATTERN: "*.json*" }];
      },
      "queue-folder",
      ({ signal, detail }) => {
        deepStrictEqual(signal, {
          files: ["first $(touch x).json 11 1700000000", "second.json 11 1700000100"],
        });
        deepStrictEqual(detail.items?.map(({ name, begins }) => [name, begins]), [
          ["first $(touch x).json", '{"job": 1} '],
          ["second.json", '{"job": 2} '],
        ]);
      },
    ),
    reads(
      "empty",
      ({ root }) => Promise.resolve([{ QUEUE_DIR: `${root}/home` }]),
      "queue-folder",
      ({ signal }) => deepStrictEqual(signal, { files: [] }),
    ),
    reads(
      "huge",
      async ({ root }) => {
        await Deno.mkdir(`${root}/many`);
        await Promise.all(
          range(700).map((n) => Deno.writeTextFile(`${root}/many/${n} "🚒" ${"y".repeat(100)}`, oddTitle(n))),
        );
        return [{ QUEUE_DIR: `${root}/many`, QUEUE_SECONDS: "0" }];
      },
      "queue-folder",
      (reading) => {
        strictEqual(told(reading), 700);
        strictEqual(counted(reading), 700);
      },
    ),
    fails(
      "no directory",
      () => Promise.resolve([{ QUEUE_DIR: "/nowhere/at/all" }]),
      "queue-folder",
      EXIT.settings,
      /is no directory/,
    ),
    fails(
      "garbage",
      ({ root }) => Promise.resolve([{ QUEUE_DIR: root, QUEUE_SECONDS: "soon" }]),
      "queue-folder",
      EXIT.settings,
      /expected a whole number/,
    ),
  ],
};

/** Every example that watches this machine. */
export const LOCAL_SENSORS: readonly LocalSensor[] = [
  gitRepo,
  gitUnmerged,
  command,
  queueFolder,
  files,
  logFile,
  httpHealth,
  tlsExpiry,
  disk,
  hostLoad,
  systemdUnit,
  dockerContainers,
  k8sPods,
  today,
  every,
  llmSpend,
];
