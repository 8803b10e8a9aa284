/**
 * The gate's table: which calls look irreversible, why, and what to do instead. Each row is a program, its
 * subcommands and, where these are not enough, a question to the call. How a line becomes calls is
 * `gate.ts`; this file only says what is refused.
 *
 * A call is refused when nothing that looop or git keeps can undo it: it ends or changes something outside
 * this machine, is seen by other people at once, or destroys data. What git's reflog or a new build brings
 * back (`git merge`, `git commit --amend`, `docker stop`, `rm FILE`) passes.
 */
import { type Call, findRoots, isUnder, UNKNOWN } from "./gate_call.ts";

/** One row of the table. */
export interface GateRule {
  /** Stable name, which messages and tests use. */
  id: string;
  /** Every program the row speaks of, for the manual. */
  programs: readonly string[];
  why: string;
  instead: string;
  /** Whether the call is refused by this row. */
  matches: (call: Call) => boolean;
}

/** A row as it is written down. */
interface Row {
  id: string;
  /** Programs (separated by blanks) and the subcommands refused; an empty list is every call. */
  calls: Readonly<Record<string, readonly string[]>>;
  when?: (call: Call) => boolean;
  unless?: (call: Call) => boolean;
  why: string;
  instead: string;
}

/** What a call of these programs means is asked of `gate.ts`, which knows pipes and scripts. */
export const SHELLS = "sh bash zsh dash ksh ash fish";
export const INTERPRETERS = "python perl ruby node deno bun php lua osascript pwsh";

const isDryRun = (call: Call): boolean =>
  call.has("--dry-run") && !call.values("--dry-run").some((value) => value === "none" || value === "false");
const isWriteMethod = (method: string): boolean => /^(?:DELETE|PUT|PATCH|POST)$/i.test(method);
const DESTROY = new Set(
  "delete destroy terminate remove purge deregister rm rb stop deallocate reset detach revoke disable".split(
    " ",
  ),
);
const PUBLISH = new Set(["deploy", "publish", "send", "promote", "rollback"]);
const isCloudVerb = (word: string): boolean => DESTROY.has(word) || PUBLISH.has(word);
/** AWS joins verb and noun: `delete-object`, `batch-delete-image`, `schedule-key-deletion`, `update-service`. */
const isAwsVerb = (word: string): boolean =>
  isCloudVerb(word.replace(/^batch-/, "").replace(/-.*$/, "")) || word.endsWith("-deletion") ||
  /^update-(?:service|function-code)$/.test(word);
const isReadVerb = (word: string): boolean =>
  /^(?:list|describe|get|show|print|ls|help|wait)(?:-|$)/.test(word);

/** A disk, as a file: whatever is written to it replaces what was on it. */
export function isDisk(path: string): boolean {
  return /^\/dev\/(?:sd|hd|vd|xvd|nvme|mmcblk|md|dm-|r?disk|mapper\/|disk\/|loop|mem$|kmem$)/.test(path);
}

/** Names of scripts and tasks that ship something: `deploy`, `deploy:prod`, `release.sh`; not `release:build`. */
export function isShippingName(name: string): boolean {
  const words = nameWords(name);
  const isBuild = words.includes("build");
  return words.some((word) => SHIPPING.has(word) && !(isBuild && word === "release")) &&
    !words.some((word) => REHEARSAL.has(word));
}
const nameWords = (name: string): string[] => name.replace(/\.\w+$/, "").toLowerCase().split(/[^a-z]+/);
const SHIPPING = new Set(
  "deploy redeploy undeploy publish release promote rollback destroy teardown".split(" "),
);
const REHEARSAL = new Set(
  "check checks dry test tests lint plan preview diff validate verify status notes log logs list help".split(
    " ",
  ),
);

/** A program of one's own that ships something; `lsb_release` and other installed programs only look so. */
function isShippingProgram(path: string): boolean {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const isOwn = /\.\w+$/.test(name) || /^[^/]+\//.test(path);
  return isShippingName(name) && (isOwn || SHIPPING.has(nameWords(name)[0] ?? ""));
}

/** Whether SQL text has a statement that changes or removes what is there; strings and comments are data. */
export function isDestructiveSql(text: string): boolean {
  const code = text.replace(/'[^']*'|"[^"]*"|`[^`]*`|--[^\n]*|\/\*[^]*?(?:\*\/|$)/g, " ");
  const statement =
    /(?:^|[;(]|\b(?:analyze|begin)\b)\s*(?:drop|truncate|delete|alter|update|replace\s+into)\b/i;
  return code.split("\n").some((line) => statement.test(line));
}
const sqlOf = (call: Call): string =>
  [...call.values("-c", "--command", "-e", "--execute", "-q", "--query", "-Q"), ...call.operands, call.input]
    .join(";");

const ASK = "have a worker prepare it and `looop _ ask` before it is done";

const ROWS: readonly Row[] = [
  // git
  {
    id: "git-push",
    calls: {
      git: ["push", "lfs push", "svn dcommit", "p4 submit", "send-email", "send-pack"],
      "hg jj": ["push", "git push"],
    },
    unless: (call) => call.has("-n", "--dry-run"),
    why: "others see what is pushed at once, and it may start builds and releases",
    instead: "commit on a local branch, show `git log origin/main..`, and have a worker `looop _ ask`",
  },
  {
    id: "git-discard",
    calls: { git: ["reset", "checkout", "restore", "switch", "worktree remove", "stash clear"] },
    when: (call) => discardsChanges(call),
    why: "uncommitted changes are lost, and no reflog brings them back",
    instead: "commit or `git stash` first, or use `git reset --keep`",
  },
  {
    id: "git-clean",
    calls: { git: ["clean"] },
    unless: (call) => call.has("-n", "--dry-run"),
    why: "untracked files are removed and git has no copy of them",
    instead: "`git clean -n` lists them; `git stash -u` puts them aside",
  },
  {
    id: "git-delete-ref",
    calls: { git: ["branch", "tag", "update-ref"] },
    when: (call) =>
      call.has("-D") || (!call.isVerb("branch") && call.has("-d", "--delete")) ||
      (call.has("-d", "--delete") && call.has("-f", "--force")),
    why: "commits that only this branch or tag keeps are lost when git cleans up",
    instead: "`git branch -d` deletes only what is merged; or rename it with `git branch -m`",
  },
  {
    id: "git-rewrite",
    calls: { git: ["filter-branch", "filter-repo", "reflog expire", "reflog delete", "gc", "prune"] },
    when: (call) =>
      !call.isVerb("gc") || call.values("--prune").some((when) => when === "now" || when === "all"),
    unless: (call) => call.has("-n", "--dry-run"),
    why: "the history that would bring lost commits back is removed",
    instead: "work on a copy made with `git clone --mirror`",
  },
  // Forges
  {
    id: "forge-merge",
    calls: { gh: ["pr merge", "pr close"], glab: ["mr merge", "mr close", "mr delete"] },
    why: "it ends a review that other people follow, and a merge may start a release",
    instead: ASK,
  },
  {
    id: "forge-release",
    calls: {
      gh: ["release create", "release delete", "release delete-asset", "release edit", "release upload"],
      glab: ["release create", "release delete", "release upload"],
    },
    why: "people and machines fetch a release as soon as it is there",
    instead: `write the notes into reports/ and ${ASK}`,
  },
  {
    id: "forge-delete",
    calls: {
      gh: [
        ..."delete archive rename transfer unarchive deploy-key edit".split(" ").map((verb) =>
          `repo ${verb}`
        ),
        ..."close delete transfer".split(" ").map((verb) => `issue ${verb}`),
        ..."gist label ssh-key gpg-key cache codespace project run variable secret ruleset extension"
          .split(" ").map((noun) => `${noun} delete`),
        "project close",
      ],
      glab: [
        ..."repo issue label ci variable schedule snippet ssh-key milestone".split(" ").map((noun) =>
          `${noun} delete`
        ),
        "repo archive",
        "repo transfer",
        "issue close",
      ],
    },
    unless: (call) => call.isVerb("repo edit") && !call.has("--visibility", "--default-branch"),
    why: "it removes or closes what other people use",
    instead: ASK,
  },
  {
    id: "forge-secret",
    calls: { gh: ["secret set", "secret remove", "variable set"], glab: ["variable set", "variable update"] },
    why: "the old value cannot be read back, and every build uses the new one",
    instead: ASK,
  },
  {
    id: "forge-run",
    calls: {
      gh: ["workflow run", "workflow disable", "run cancel", "run rerun"],
      glab: ["ci run", "ci cancel", "ci retry", "ci trigger", "schedule run"],
    },
    why: "it starts or stops a job on machines that other people use; the job may publish",
    instead: ASK,
  },
  {
    id: "forge-api",
    calls: { "gh glab": ["api"] },
    when: (call) => changesThroughApi(call),
    why: "the call changes something on the forge without any of its safeguards",
    instead: "read with a plain `gh api PATH` or `-X GET`; for the change, have a worker `looop _ ask`",
  },
  // Clusters, clouds, infrastructure
  {
    id: "kubernetes",
    calls: {
      "kubectl oc":
        ("delete apply create replace patch edit set scale autoscale drain cordon uncordon taint label " +
          "annotate expose run debug evict").split(" ").concat(
            "rollout restart,rollout undo,rollout pause,rollout resume,certificate approve,config delete-context"
              .split(","),
          ),
      "helm helmfile": "install upgrade uninstall delete del un rollback apply sync destroy".split(" "),
      "argocd flux skaffold": "app sync,app delete,app rollback,app set,reconcile,delete,run,deploy,uninstall"
        .split(","),
      nomad: ["job run", "job stop", "run", "stop"],
    },
    unless: isDryRun,
    why: "it changes a live cluster",
    instead: "show `kubectl diff` or `--dry-run=server`, and have a worker `looop _ ask`",
  },
  {
    id: "terraform",
    calls: {
      "terraform tofu terragrunt":
        ("apply,destroy,import,taint,untaint,refresh,force-unlock,run-all apply,run-all destroy," +
          "state rm,state mv,state push,state replace-provider,workspace delete").split(","),
      pulumi: ["up", "update", "destroy", "import", "refresh", "cancel", "stack rm", "state delete"],
      "cdk cdktf": ["deploy", "destroy", "bootstrap"],
    },
    why: "it changes live infrastructure or the record of it",
    instead: "write the `plan` into reports/ and have a worker `looop _ ask`",
  },
  {
    id: "cloud",
    calls: {
      aws: [],
      "gcloud gsutil bq az doctl hcloud linode-cli ibmcloud oci eksctl": [],
      "s3cmd mc rclone": [],
    },
    when: (call) => changesCloud(call),
    unless: (call) => call.has("--dry-run", "--dryrun"),
    why: "it removes or changes something in the cloud, or sends something to people",
    instead: "list or describe what it would touch, and have a worker `looop _ ask`",
  },
  {
    id: "platform-deploy",
    calls: {
      "vercel now": "deploy remove rm promote rollback".split(" ").concat(
        "alias set,env rm,domains rm,project rm".split(","),
      ),
      netlify: ["deploy", "sites:delete", "env:set", "env:unset"],
      "fly flyctl":
        "deploy,destroy,scale count,scale vm,apps destroy,machine destroy,machines destroy,secrets set,volumes destroy"
          .split(","),
      heroku:
        ("apps:destroy pg:reset ps:scale container:release container:push config:set config:unset releases:rollback " +
          "addons:destroy maintenance:on restart").split(" "),
      wrangler:
        "deploy,publish,delete,rollback,secret put,secret delete,r2 object delete,kv key delete,d1 delete,pages deploy"
          .split(","),
      "firebase serverless sls sam surge dpl": ["deploy", "remove", "delete", "hosting:disable", "publish"],
      "eb cf railway amplify supabase render deployctl convex":
        "deploy,up,push,terminate,delete,down,publish,db push,db reset,functions deploy".split(","),
      "ansible-playbook cap kamal capistrano": [],
    },
    unless: (call) =>
      isDryRun(call) ||
      call.has("--check", "-C", "--syntax-check", "--list-hosts", "--list-tasks", "--version"),
    why: "it changes what users see",
    instead: "deploy a preview by hand or have a worker `looop _ ask`",
  },
  {
    id: "vercel-bare",
    calls: { vercel: [] },
    when: (call) => call.operands.length === 0 || call.has("--prod"),
    unless: (call) => call.has("-v", "--version"),
    why: "without a subcommand it deploys the current folder",
    instead: "name the subcommand you mean, or have a worker `looop _ ask`",
  },
  // Packages and artifacts
  {
    id: "publish",
    calls: {
      "npm pnpm yarn bun":
        ("publish,unpublish,deprecate,dist-tag add,dist-tag rm,owner add,owner rm,token revoke,access set," +
          "npm publish,npm tag,stage publish,pm publish").split(","),
      cargo: ["publish", "yank", "owner", "release", "ws publish", "workspaces publish", "smart-release"],
      gem: ["push", "yank", "owner"],
      twine: ["upload"],
      "poetry uv flit hatch pdm maturin": ["publish", "upload"],
      "deno jsr vsce ovsx changeset lerna": ["publish", "unpublish"],
      "helm oras crane nuget": ["push", "delete", "cm-push"],
      skopeo: ["copy", "delete", "sync"],
      dotnet: ["nuget push", "nuget delete"],
      mix: ["hex.publish", "hex.retire"],
      "goreleaser jreleaser": ["release", "full-release"],
      "semantic-release release-it np bumpp": [],
      pod: ["trunk push", "trunk delete"],
      "snapcraft charmcraft anaconda": ["upload", "release", "push"],
      python: ["setup.py upload"],
    },
    // To the others -n is no rehearsal: poetry's and nuget's ask nothing.
    unless: (call) => call.has("--dry-run", "--snapshot") || (call.program === "cargo" && call.has("-n")),
    why: "a published version can never be replaced, only followed by another",
    instead: "run it with `--dry-run`, put the result into reports/, and have a worker `looop _ ask`",
  },
  {
    id: "docker-push",
    calls: {
      "docker podman nerdctl buildah": [
        "push",
        "image push",
        "compose push",
        "buildx imagetools create",
        "manifest push",
      ],
    },
    why: "whoever uses that tag gets the new image at once",
    instead: "tag it locally and have a worker `looop _ ask`",
  },
  {
    id: "docker-build-push",
    calls: { "docker podman": ["build", "buildx build", "buildx bake", "compose build"] },
    when: (call) => call.has("--push") && !call.values("--push").includes("false"),
    why: "whoever uses that tag gets the new image at once",
    instead: "build it without `--push` and have a worker `looop _ ask`",
  },
  {
    id: "ship-task",
    calls: {
      "npm pnpm yarn bun deno make gmake just task rake gradle gradlew mvn mvnw sbt nx turbo fab invoke inv ant bazel":
        [],
      "mage moon wireit earthly nox tox invoke dagger composer fastlane": [],
    },
    when: (call) => shippingTask(call) !== undefined,
    unless: (call) => /make$/.test(call.program) && call.has("-n", "--dry-run", "--just-print", "-q"),
    why: "by its name the task deploys, publishes or releases",
    instead: "run the task that only builds or checks, and have a worker `looop _ ask` for this one",
  },
  {
    id: "ship-script",
    calls: { "*": [] },
    when: (call) =>
      isShippingProgram(call.parts.words[0]?.text ?? "") ||
      shipsScript(call),
    unless: (call) => call.has("--dry-run", "--check"),
    why: "by its name the script deploys, publishes or releases",
    instead: "read it, run its harmless part, and have a worker `looop _ ask` for the rest",
  },
  // Files and disks
  {
    id: "remove-tree",
    calls: { "rm grm": [] },
    when: (call) =>
      call.has("-r", "-R", "--recursive") && call.operandArgs.some((arg) => !call.isRemovable(arg)),
    why: "it removes whole trees that are not surely below the data dir or a temp dir",
    instead: "name a path below the data dir or a temp dir, without variables; or move it aside with `mv`",
  },
  {
    id: "find-delete",
    calls: { "find gfind": [] },
    when: (call) => findDeletesOutside(call),
    why: "it removes files that are not surely below the data dir or a temp dir",
    instead: "print them first with `-print`, and name a path below the data dir or a temp dir",
  },
  {
    id: "sync-delete",
    calls: { rsync: [] },
    when: (call) => {
      const target = call.operandArgs.at(-1);
      const removes = call.args.some(({ text }) => /^--(?:del$|delete|remove-source-files)/.test(text));
      return removes && (target === undefined || /^[^/]+:/.test(target.text) || !call.isRemovable(target));
    },
    unless: (call) => call.has("-n", "--dry-run"),
    why: "it removes files that the source does not have",
    instead: "run it with `--dry-run`, or without `--delete`",
  },
  {
    id: "shred",
    calls: { "shred srm wipe scrub": [] },
    why: "what it overwrites cannot be read again",
    instead: "move the file aside with `mv`",
  },
  {
    id: "permissions",
    calls: { "chmod chown chgrp setfacl": [] },
    when: (call) =>
      call.has("-R", "--recursive") && call.operandArgs.slice(1).some((arg) => isSystemDir(call, arg)),
    why: "it changes every file of the system or of the home, and the old rights are written down nowhere",
    instead: "name the one folder that needs it",
  },
  {
    id: "disk",
    calls: {
      "mkfs newfs mke2fs mkswap wipefs blkdiscard fdisk gdisk sgdisk cfdisk sfdisk parted": [],
      cryptsetup: ["luksFormat", "erase", "luksErase", "luksKillSlot"],
      "lvremove vgremove pvremove lvreduce": [],
      "zfs zpool": ["destroy", "rollback", "labelclear"],
      btrfs: ["subvolume delete"],
      diskutil: "eraseDisk eraseVolume partitionDisk zeroDisk secureErase reformat".split(" ").concat(
        "apfs deleteVolume",
      ),
    },
    unless: (call) => onlyReadsDisk(call),
    why: "it replaces what is on a disk",
    instead: "only read: `lsblk`, `fdisk -l`",
  },
  {
    id: "write-device",
    calls: { dd: [], "tee cp mv": [] },
    when: (call) =>
      call.operandArgs.some((arg) => isDisk(arg.text.replace(/^of=/, "")) && !arg.text.startsWith("if=")) &&
      (call.program !== "cp" || isDisk(call.operands.at(-1) ?? "")),
    why: "it writes over a disk",
    instead: "write to a file below the data dir",
  },
  // The machine
  {
    id: "root",
    calls: { "sudo doas su pkexec run0 gosu": [] },
    unless: ({ args }) =>
      args.length > 0 &&
      args.every(({ text }) => /^(?:--version|-V|--validate|-v|--reset-timestamp|-k)$/.test(text)),
    why: "as another user nothing protects the machine, and looop cannot end what it starts",
    instead: "do it without, or ask the human to run it",
  },
  {
    id: "service",
    calls: {
      systemctl:
        ("stop disable mask kill poweroff reboot halt suspend hibernate kexec isolate rescue emergency " +
          "set-default revert clean").split(" "),
      launchctl: ["bootout", "unload", "remove", "disable", "kill", "stop"],
      "shutdown reboot halt poweroff": [],
      "init telinit": ["0", "1", "6"],
    },
    unless: (call) => call.program === "shutdown" && call.has("-c"),
    why: "it stops a service or the machine, for everybody on it",
    instead: "`systemctl status` reads; to stop it, ask the human",
  },
  {
    id: "kill-broad",
    calls: { "killall pkill killall5": [] },
    unless: (call) => call.args.some(({ text }) => /^(?:-l|--list|-0|--signal=0)$/.test(text)),
    why: "it ends processes by name, also those of other people and of other agents",
    instead: "`pgrep -a NAME`, then `kill PID` of your own",
  },
  {
    id: "kill-all",
    calls: { kill: [] },
    when: (call) => killsAll(call.args.map((arg) => arg.text)),
    why: "-1 is every process of this user",
    instead: "`kill PID` of a process of your own",
  },
  {
    id: "crontab-remove",
    calls: { crontab: [] },
    when: (call) => call.has("-r"),
    why: "the whole table goes, and there is no copy of it",
    instead: "`crontab -l` into a file first",
  },
  {
    id: "accounts",
    calls: { "userdel groupdel deluser delgroup": [], "passwd chpasswd": [] },
    why: "it takes away somebody's way into the machine",
    instead: "ask the human",
  },
  {
    id: "firewall",
    calls: { "iptables ip6tables": [], nft: ["flush", "delete"], ufw: ["reset", "disable", "enable"] },
    when: (call) => !call.program.endsWith("tables") || call.has("-F", "-X", "-P", "--flush"),
    why: "a wrong rule cuts the machine off, also from you",
    instead: "ask the human",
  },
  // Data
  {
    id: "sql",
    calls: { "psql mysql mariadb sqlite3 duckdb sqlcmd clickhouse-client cockroach bq snowsql": [] },
    when: (call) => isDestructiveSql(sqlOf(call)),
    why: "DROP, DELETE, TRUNCATE, ALTER and UPDATE take effect at once, and a database has no undo",
    instead: "SELECT what it would touch, write the statement into reports/, and have a worker `looop _ ask`",
  },
  {
    id: "database-remove",
    calls: {
      "dropdb dropuser": [],
      mysqladmin: [],
      pg_restore: [],
      "redis-cli valkey-cli": [],
      "mongosh mongo": [],
    },
    when: (call) => removesData(call),
    why: "data is gone at once, and a database has no undo",
    instead: "read first, write the command into reports/, and have a worker `looop _ ask`",
  },
  {
    id: "database-reset",
    calls: {
      "rails rake": [],
      prisma: ["migrate reset", "db push"],
      "sequelize sequelize-cli typeorm knex": ["db:drop", "schema:drop", "db:migrate:undo:all"],
      mix: ["ecto.drop", "ecto.reset"],
      python: ["manage.py flush", "manage.py reset_db"],
      "manage.py": ["flush", "reset_db"],
      php: ["artisan migrate:fresh", "artisan migrate:reset", "artisan migrate:refresh", "artisan db:wipe"],
    },
    when: (call) => resetsDatabase(call),
    why: "all rows of the database go, and it has no undo",
    instead: "name the database it would touch in reports/, and have a worker `looop _ ask`",
  },
  {
    id: "docker-remove",
    calls: {
      "docker podman nerdctl":
        ("rm,container rm,rmi,image rm,volume rm,volume remove,volume prune,system prune,container prune," +
          "image prune,compose down,compose rm,swarm leave,stack rm,service rm,secret rm,context rm,machine rm")
          .split(","),
      "docker-compose podman-compose": ["down", "rm"],
    },
    when: (call) => removesContainerData(call),
    why: "containers and volumes are removed with the data in them",
    instead: "`docker stop` keeps them; `docker ps -a` and `docker volume ls` show what is there",
  },
  // The network
  {
    id: "run-fetched",
    calls: { [`${SHELLS} ${INTERPRETERS} eval source .`]: [] },
    when: (call) => call.parts.fetched(),
    why: "it runs text from elsewhere that nobody has read",
    instead: "fetch it into a file, read it, then run the file",
  },
  {
    id: "http-change",
    calls: { "curl wget http https xh curlie": [] },
    when: (call) => changesOverHttp(call),
    why: "the request changes or removes something on another machine",
    instead: `GET what it would touch, and ${ASK}`,
  },
  {
    id: "send-mail",
    calls: { "sendmail msmtp mail mailx mutt swaks ssmtp": [] },
    when: (call) => !/^mailx?$|^mutt$/.test(call.program) || call.has("-s") || call.operands.length > 0,
    why: "a message that was sent cannot be taken back",
    instead: "use `looop _ notify` for the human; for others, have a worker `looop _ ask`",
  },
];

/** Rows that `gate.ts` applies itself, since they are about the line and not about one call. */
export const UNREADABLE: GateRule = {
  id: "unreadable",
  programs: [],
  why: "it is nested too deep to be read",
  instead: "put it into a script file and say in words what it does",
  matches: () => false,
};

function compileRow({ id, calls, when, unless, why, instead }: Row): GateRule {
  const verbsOf = new Map(
    Object.entries(calls).flatMap(([names, verbs]) => names.split(" ").map((name) => [name, verbs] as const)),
  );
  const matches = (call: Call): boolean => {
    const verbs = verbsOf.get(call.program) ?? verbsOf.get("*");
    if (verbs === undefined) return false;
    if (verbs.length > 0 && (call.asksHelp || !verbs.some((verb) => call.isVerb(verb)))) return false;
    return !call.has("--help") && (when?.(call) ?? true) && !(unless?.(call) ?? false);
  };
  return { id, programs: [...verbsOf.keys()], why, instead, matches };
}

/** The whole table, in the order it is asked. */
export const GATE_RULES: readonly GateRule[] = [...ROWS.map(compileRow), UNREADABLE];

const RULES_BY_PROGRAM = new Map<string, GateRule[]>();
for (const rule of GATE_RULES) {
  for (const program of rule.programs) {
    RULES_BY_PROGRAM.set(program, [...(RULES_BY_PROGRAM.get(program) ?? []), rule]);
  }
}
const RULES_FOR_ALL = RULES_BY_PROGRAM.get("*") ?? [];

/** The rules that may speak about a program. */
export function rulesFor(program: string): readonly GateRule[] {
  return [...(RULES_BY_PROGRAM.get(program) ?? []), ...RULES_FOR_ALL];
}

/** The rule of that id, which must exist. */
export function ruleNamed(id: string): GateRule {
  return GATE_RULES.find((rule) => rule.id === id) ?? UNREADABLE;
}

/**
 * Options that take their value from the next word, by program: without them `git -C x push` would read as
 * the subcommand `x`. Only those that may stand before a subcommand or an operand that a rule looks at.
 */
const VALUE_OPTIONS: Readonly<Record<string, string>> = {
  git: "-C -c --git-dir --work-tree --namespace --config-env --super-prefix --exec-path",
  "gh glab": "-R --repo --hostname -g --group",
  "kubectl oc":
    "-n --namespace --context --cluster --kubeconfig -s --server --user --token --as --as-group " +
    "--request-timeout --cache-dir --certificate-authority --client-certificate --client-key --tls-server-name -v",
  "helm helmfile":
    "-n --namespace --kube-context --kubeconfig --registry-config --repository-config -f -e --environment",
  "docker podman nerdctl docker-compose":
    "--context -c -H --host -l --log-level --config -f --file -p --project-name " +
    "--profile --env-file --project-directory --ansi --tlscacert --tlscert --tlskey --url --connection",
  "npm pnpm yarn bun":
    "--prefix -C --dir --cwd --filter -F -w --workspace --registry --userconfig --tag --otp --loglevel",
  aws:
    "--profile --region --output --endpoint-url --query --ca-bundle --color --cli-read-timeout --cli-connect-timeout",
  "gcloud bq gsutil":
    "--project --account --configuration --format --verbosity --impersonate-service-account --zone " +
    "--region --filter --billing-project -o -h",
  az: "--subscription -g --resource-group -n --name -o --output --query",
  "make gmake": "-C --directory -f --file -I -j -l -o -W",
  "just task rake nx turbo gradle mvn": "-f --justfile -d --working-directory -t -p --filter --cwd -P",
  cargo: "--manifest-path --config -p --package --registry --color -Z --target-dir",
  "systemctl launchctl": "-H --host -M --machine -t --type -p --property --signal -s -n",
  "psql mysql mariadb":
    "-h --host -U --username -u --user -d --dbname -D --database -p --port -P --password -f --file " +
    "-o -v --set -L -F -R -T",
  sqlite3: "-separator -nullvalue -init -cmd -newline",
  "redis-cli valkey-cli": "-h -p -a -n -u --user --pass -r -i -s",
  "fly flyctl heroku wrangler vercel netlify":
    "-a --app -c --config -t --token --cwd -A -S --scope --env -e --site",
  "pulumi cdk": "-s --stack -C --cwd -a --app --profile -c --context",
  "poetry uv": "-C -P --directory --project --config-file",
  "deno bundle gem": "-c --config -L --log-level",
};

const VALUE_OPTIONS_BY_PROGRAM = new Map(
  Object.entries(VALUE_OPTIONS).flatMap(([names, options]) => {
    const set: ReadonlySet<string> = new Set(options.split(" "));
    return names.split(" ").map((name) => [name, set] as const);
  }),
);
const NO_OPTIONS: ReadonlySet<string> = new Set();

/** Options of a program that take their value from the next word. */
export function valueOptionsOf(program: string): ReadonlySet<string> {
  return VALUE_OPTIONS_BY_PROGRAM.get(program) ?? NO_OPTIONS;
}

function discardsChanges(call: Call): boolean {
  if (call.isVerb("stash clear")) return true;
  if (call.isVerb("reset")) return call.has("--hard");
  if (call.isVerb("worktree remove")) return call.has("-f", "--force");
  if (call.isVerb("switch")) return call.has("-f", "--force", "--discard-changes");
  if (call.isVerb("restore")) return !call.has("--staged", "-S") || call.has("--worktree", "-W");
  // `checkout HEAD x` takes a file back; `checkout -b new origin/x` makes a branch.
  const namesFiles = call.operands.length > 2 && !call.has("-b", "-B", "-t", "--track", "--orphan");
  return call.has("-f", "--force") || call.operands[1] === "." || namesFiles ||
    call.args.slice(0, -1).some((arg) => arg.text === "--");
}

/** Options with which a disk tool only shows, or only says what it would do. */
const DISK_READS: Readonly<Record<string, readonly string[]>> = {
  fdisk: ["-l", "--list"],
  gdisk: ["-l", "--list"],
  parted: ["-l", "--list"],
  sfdisk: ["-l", "--list", "-d", "--dump", "-J", "--json", "-n", "--no-act"],
  sgdisk: ["-P", "--pretend"],
  wipefs: ["-n", "--no-act"],
  mke2fs: ["-n"],
  zfs: ["-n"],
  lvremove: ["-t", "--test"],
  vgremove: ["-t", "--test"],
  pvremove: ["-t", "--test"],
  lvreduce: ["-t", "--test"],
};
const PARTED_WRITES = /^(?:mk.*|rm|resizepart|name|set|toggle|rescue|disk_set|disk_toggle|type)$/;

function onlyReadsDisk(call: Call): boolean {
  const options = call.args.filter(({ text }) => text.startsWith("-"));
  if (call.has(...DISK_READS[call.program] ?? []) || call.has("--version")) return true;
  if (call.program === "sgdisk") {
    return options.length > 0 &&
      options.every(({ text }) => /^(?:-[piv]+|--print|--info.*|--verify)$/.test(text));
  }
  if (call.program === "wipefs") return options.length === 0;
  return call.program === "parted" && call.operands.includes("print") &&
    !call.operands.some((word) => PARTED_WRITES.test(word));
}

function changesThroughApi(call: Call): boolean {
  const methods = call.values("-X", "--method");
  const fields = call.values("-f", "-F", "--field", "--raw-field", "--input");
  if (call.isVerb("api graphql")) return fields.some((field) => /^(?:query=)?\s*mutation\b/.test(field));
  return methods.length > 0 ? methods.some((method) => isWriteMethod(method)) : fields.length > 0;
}

/** The verb is the second word for aws, and anywhere before a reading verb for the others. */
function changesCloud(call: Call): boolean {
  const words = call.operands;
  if (call.program === "aws") {
    const verb = words[1] ?? "";
    const removes = words[0] === "s3" && call.has("--delete");
    return isAwsVerb(verb) || removes || (words[0] === "s3" && verb === "mv");
  }
  const read = words.findIndex((word) => isReadVerb(word));
  const verbs = (read < 0 ? words : words.slice(0, read)).slice(0, 5);
  const isMirror = call.program === "rclone" && /^(?:sync|delete|purge|move|cleanup)$/.test(verbs[0] ?? "");
  return isMirror || verbs.some(isCloudVerb);
}

/** The task among the operands that ships something; `npm` and its kin name it behind `run`. */
function shippingTask(call: Call): string | undefined {
  const [verb = "", ...rest] = call.operands;
  const isShipping = (task: string) =>
    !/\.[cm]?[jt]sx?$/.test(task) && isShippingName(task) && !/^publishToMavenLocal$/i.test(task);
  if (/^(?:npm|pnpm|yarn|bun|deno)$/.test(call.program)) {
    const runs = /^(?:run|run-script|rum|urn|task)$/.test(verb);
    if (runs) return isShipping(rest[0] ?? "") ? rest[0] : undefined;
    const isOwnTask = /^(?:yarn|pnpm|bun)$/.test(call.program) && isShipping(verb);
    return isOwnTask ? verb : undefined;
  }
  return call.operands.map((task) => task.replace(/([a-z])([A-Z])/g, "$1-$2")).find((task) =>
    isShipping(task) && !task.includes("=") && !/^publish-To-Maven-Local$/i.test(task.split(":").at(-1) ?? "")
  );
}

/** `bash scripts/deploy.sh`, `deno run deploy.ts`. */
function shipsScript(call: Call): boolean {
  const isShell = `${SHELLS} source .`.split(" ").includes(call.program);
  if (!isShell && !INTERPRETERS.split(" ").includes(call.program)) return false;
  if (isShell ? call.has("-c") : call.has("-c", "-e", "-m")) return false;
  const file = call.operands.find((word) => word !== "run") ?? "";
  return /\.\w+$|\//.test(file) && isShippingName(file.slice(file.lastIndexOf("/") + 1));
}

function findDeletesOutside(call: Call): boolean {
  if (!call.args.some((arg) => arg.text === "-delete")) return false;
  const roots = findRoots(call);
  const isNarrow = call.args.some(({ text }) =>
    /^-i?(?:name|path|regex|wholename)$|^-(?:empty|newer.*|[acm](?:time|min))$/.test(text)
  );
  const dirs = [call.parts.around.dataDir, ...call.parts.around.tempDirs];
  const isInside = (path: string | undefined) => path !== undefined && dirs.some((dir) => isUnder(path, dir));
  if (roots.length === 0) return !isNarrow;
  return roots.some((root) => !call.isRemovable(root) && !(isNarrow && isInside(call.path(root))));
}

/** `/`, the home, something that holds them, or a folder directly below `/`. */
function isSystemDir(call: Call, arg: Call["args"][number]): boolean {
  const path = call.path(arg);
  const { home, dataDir, tempDirs } = call.parts.around;
  if (path === undefined) return arg.text.replace(UNKNOWN, "").length <= 1;
  if (arg.glob && /^\/\*?$/.test(path)) return true;
  if ([dataDir, ...tempDirs].some((dir) => isUnder(path, dir))) return false;
  return /^\/[^/]*$/.test(path) || (home !== undefined && isUnder(home, path.replace(/\/\*$/, "")));
}

/** `kill -9 -1`, `kill -- -1`; a lone `kill -1 PID` is the signal HUP. */
function killsAll(words: readonly string[]): boolean {
  const last = words.lastIndexOf("-1");
  return last > 0 || (last === 0 && words.length === 1);
}

function removesData(call: Call): boolean {
  const words = call.operands;
  if (/^drop/.test(call.program)) return true;
  if (call.program === "mysqladmin") return words.includes("drop") || words.includes("shutdown");
  if (call.program === "pg_restore") return call.has("-c", "--clean");
  if (/-cli$/.test(call.program)) {
    const command = /^\s*(?:flushall|flushdb|shutdown|del|unlink|script flush|config set|debug)\b/i;
    return [words.join(" "), ...call.input.split("\n")].some((line) => command.test(line));
  }
  const code = [...call.values("--eval"), call.input].join("\n");
  return /\b(?:dropDatabase|drop|deleteMany|deleteOne|remove|updateMany|updateOne|renameCollection)\s*\(/
    .test(code);
}

function resetsDatabase(call: Call): boolean {
  if (/^(?:rails|rake)$/.test(call.program)) {
    return call.operands.some((task) => /^db:(?:drop|reset|purge|migrate:reset)(?::|$)/.test(task));
  }
  return !call.isVerb("db push") || call.has("--force-reset", "--accept-data-loss");
}

function removesContainerData(call: Call): boolean {
  const isCompose = /compose$/.test(call.program) || call.isVerb("compose down") || call.isVerb("compose rm");
  if (isCompose) return call.has("-v", "--volumes", "--rmi");
  const needsForce = ["rm", "container rm", "rmi", "image rm"].some((verb) => call.isVerb(verb));
  if (needsForce) return call.has("-f", "--force", "-v", "--volumes");
  if (call.isVerb("image prune")) return call.has("-a", "--all");
  return true;
}

/** POST is left out: it is also how queries are asked. */
function changesOverHttp(call: Call): boolean {
  const isLocal = call.operands.some((url) =>
    /^(?:https?:\/\/)?(?:localhost|127\.0\.0\.1|\[::1\])(?:[:/]|$)/.test(url)
  );
  const methods = call.values("-X", "--request", "--method");
  const verb = /^(?:http|https|xh|curlie)$/.test(call.program) ? [call.operands[0] ?? ""] : [];
  return !isLocal && [...methods, ...verb].some((method) => /^(?:DELETE|PUT|PATCH)$/i.test(method));
}
