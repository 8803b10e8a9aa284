/**
 * The gate's table: which calls look irreversible, why, and what to do instead. A row is one line: the rule, its
 * programs, the subcommands it refuses and, where these are not enough, a question about the call. `judge.ts` turns a
 * line into calls; this file only says what is refused.
 *
 * A call is refused when nothing that looop or git keeps can undo it: it ends or changes something outside this
 * machine, is seen by other people at once, or destroys data. Changes that a new build, git's reflog or a second
 * command can undo (`git commit --amend`, `docker stop`, `rm FILE`) pass; a merge is refused, too, since it needs the
 * human's yes.
 */
import { type Call, programName } from "./call.ts";
import * as ask from "./questions.ts";

/** Why a rule refuses, and what to do next. */
interface RuleText {
  why: string;
  instead: string;
}

const ASK = "have a worker prepare it and `looop _ ask` before it is done";
const READ_FIRST = "read first, write the command into reports/, and have a worker `looop _ ask`";
const HUMAN = "ask the human";

const TEXTS = {
  "git-push": {
    why: "others see what is pushed at once, and it may start builds and releases",
    instead: "commit on a local branch, show `git log origin/main..`, and have a worker `looop _ ask`",
  },
  "git-merge": {
    why: "a merge needs the human's yes",
    instead: "`git merge --ff-only` and `git pull --rebase` pass; for a merge, have a worker `looop _ ask`",
  },
  "git-discard": {
    why: "uncommitted changes are lost, and no reflog brings them back",
    instead: "commit or `git stash` first, or use `git reset --keep`",
  },
  "git-clean": {
    why: "untracked files are removed and git has no copy of them",
    instead: "`git clean -n` lists them; `git stash -u` puts them aside",
  },
  "git-delete-ref": {
    why: "commits that only this branch or tag keeps are lost when git cleans up",
    instead: "`git branch -d` deletes only what is merged; or rename it with `git branch -m`",
  },
  "git-rewrite": {
    why: "the history that would bring lost commits back is removed",
    instead: "work on a copy made with `git clone --mirror`",
  },
  "forge-merge": {
    why: "it ends a review that other people follow, and a merge may start a release",
    instead: ASK,
  },
  "forge-release": {
    why: "people and machines fetch a release as soon as it is there",
    instead: `write the notes into reports/ and ${ASK}`,
  },
  "forge-create": { why: "it publishes something under the human's name", instead: ASK },
  "forge-comment": {
    why: "people are notified of it at once, in the human's name",
    instead: "write the text into reports/ and have a worker `looop _ ask`",
  },
  "forge-delete": { why: "it removes or closes what other people use", instead: ASK },
  "forge-secret": {
    why: "the old value cannot be read back, and every build uses the new one",
    instead: ASK,
  },
  "forge-run": {
    why: "it starts or stops a job on machines that other people use; the job may publish",
    instead: ASK,
  },
  "forge-api": {
    why: "the call changes something on the forge without any of its safeguards",
    instead: "read with a plain `gh api PATH` or `-X GET`; for the change, have a worker `looop _ ask`",
  },
  "kubernetes": {
    why: "it changes a live cluster",
    instead: "show `kubectl diff` or `--dry-run=server`, and have a worker `looop _ ask`",
  },
  "terraform": {
    why: "it changes live infrastructure or the record of it",
    instead: "write the `plan` into reports/ and have a worker `looop _ ask`",
  },
  "cloud": {
    why: "it removes or changes something in the cloud, or sends something to people",
    instead: "list or describe what it would touch, and have a worker `looop _ ask`",
  },
  "backup": {
    why: "what is removed from a backup cannot be restored any more",
    instead: "list the snapshots, or use `--dry-run`, and have a worker `looop _ ask`",
  },
  "fleet": {
    why: "it runs on many machines at once",
    instead: "use `--check` or `--list-hosts`, and have a worker `looop _ ask`",
  },
  "platform-deploy": {
    why: "it changes what users see",
    instead: "deploy a preview by hand or have a worker `looop _ ask`",
  },
  "vercel-bare": {
    why: "without a subcommand it deploys the current folder",
    instead: "name the subcommand you mean, or have a worker `looop _ ask`",
  },
  "publish": {
    why: "a published version can never be replaced, only followed by another",
    instead: "run it with `--dry-run`, put the result into reports/, and have a worker `looop _ ask`",
  },
  "docker-push": {
    why: "whoever uses that tag gets the new image at once",
    instead: "tag it locally and have a worker `looop _ ask`",
  },
  "docker-build-push": {
    why: "whoever uses that tag gets the new image at once",
    instead: "build it without `--push` and have a worker `looop _ ask`",
  },
  "ship-task": {
    why: "by its name the task deploys, publishes, releases or resets something",
    instead: "run the task that only builds or checks, and have a worker `looop _ ask` for this one",
  },
  "ship-script": {
    why: "by its name the script deploys, publishes or releases",
    instead: "read it, run its harmless part, and have a worker `looop _ ask` for the rest",
  },
  "remove-tree": {
    why: "it removes whole trees that are not surely below the data dir or a temp dir",
    instead:
      "name a path below the data dir or a temp dir, without unknown variables; or move it aside with `mv`",
  },
  "find-delete": {
    why: "it removes files that are not surely below the data dir or a temp dir",
    instead: "print them first with `-print`, and name a path below the data dir or a temp dir",
  },
  "sync-delete": {
    why: "it removes files that the source does not have",
    instead: "run it with `--dry-run`, or without `--delete`",
  },
  "shred": { why: "what it overwrites cannot be read again", instead: "move the file aside with `mv`" },
  "permissions": {
    why: "it changes every file of the system or of the home, and the old rights are written down nowhere",
    instead: "name the one folder that needs it",
  },
  "disk": { why: "it replaces what is on a disk", instead: "only read: `lsblk`, `fdisk -l`" },
  "write-device": { why: "it writes over a disk", instead: "write to a file below the data dir" },
  "machine-remove": {
    why: "a machine or cluster goes with the data on it",
    instead: "stop it instead, and have a worker `looop _ ask` before it is removed",
  },
  "root": {
    why: "as another user nothing protects the machine, and looop cannot end what it starts",
    instead: "do it without, or ask the human to run it",
  },
  "service": {
    why: "it stops a service or the machine, for everybody on it",
    instead: "its `status` reads; to stop it, ask the human",
  },
  "network": { why: "it cuts this machine's connections, also those of other people", instead: HUMAN },
  "kill-broad": {
    why: "it ends processes by name, port or file, also those of other people and of other agents",
    instead: "`pgrep -a NAME`, then `kill PID` of your own",
  },
  "kill-all": { why: "-1 is every process of this user", instead: "`kill PID` of a process of your own" },
  "sessions-kill": {
    why: "it ends terminals with everything in them, also those of other agents",
    instead: "name the one process of your own and `kill` it",
  },
  "crontab-remove": {
    why: "the whole table goes or is replaced, and there is no copy of it",
    instead: "`crontab -l` into a file first, and ask the human",
  },
  "jobs-remove": {
    why: "jobs that somebody has planned or queued are gone",
    instead: "list them, and ask the human",
  },
  "accounts": { why: "it takes away somebody's way into the machine", instead: HUMAN },
  "firewall": { why: "a wrong rule cuts the machine off, also from you", instead: HUMAN },
  "settings-remove": {
    why: "settings or secrets are removed, and there is no copy of them",
    instead: READ_FIRST,
  },
  "sql": {
    why: "DROP, DELETE, TRUNCATE, ALTER and UPDATE take effect at once, and a database has no undo",
    instead: "SELECT what it would touch, write the statement into reports/, and have a worker `looop _ ask`",
  },
  "database-remove": { why: "data is gone at once, and a database has no undo", instead: READ_FIRST },
  "database-reset": {
    why: "rows or tables of the database go, and it has no undo",
    instead: "name the database it would touch in reports/, and have a worker `looop _ ask`",
  },
  "queue": {
    why: "messages are sent to or taken from those who wait for them",
    instead: READ_FIRST,
  },
  "docker-remove": {
    why: "containers and volumes are removed with the data in them",
    instead: "`docker stop` keeps them; `docker ps -a` and `docker volume ls` show what is there",
  },
  "run-fetched": {
    why: "it runs text from elsewhere that nobody has read",
    instead: "fetch it into a file, read it, then run the file",
  },
  "http-change": {
    why: "the request changes or removes something on another machine",
    instead: `GET what it would touch, and ${ASK}`,
  },
  "send-mail": {
    why: "a message that was sent cannot be taken back",
    instead: "use `looop _ notify` for the human; for others, have a worker `looop _ ask`",
  },
  "print": { why: "paper cannot be taken back", instead: HUMAN },
  // Not in the table below: these concern the line, not one call.
  "unreadable": {
    why: "it is nested too deep to be read",
    instead: "put it into a script file and say in words what it does",
  },
} as const satisfies Record<string, RuleText>;

/** The stable id of a rule, which messages and tests use. */
export type RuleId = keyof typeof TEXTS;

/** Every rule. */
export const RULES: Readonly<Record<RuleId, RuleText>> = TEXTS;

type Question = (call: Call) => boolean;

/**
 * A row has its rule, its programs, the subcommands that it refuses (without any, it refuses every call) and the name of
 * a question in `questions.ts` that narrows it further. In a subcommand `a|b` is a choice, `*` anything, `…` any number of words;
 * `[-f --force]` after it: only with one of these options, `![-n]`: only without them. Rows are tried from top to
 * bottom.
 *
 * The table is text, searched for a program's name, since each start of `_ run` needs only a row or two.
 */
const TABLE = `
# Version control
git-push; git, hub, yadm, dotbare; push ![-n --dry-run]; not pushesToScratch
git-push; git; subtree push, lfs push, svn dcommit, p4 submit, send-email, send-pack, http-push, review, cl upload|land
git-push; git; annex sync|move|copy, spr diff|update|land|merge, town sync|ship|propose, flow * publish, machete push|traverse
git-push; git; branchless submit, ghstack submit|land, cinnabar push, bug push
git-push; vcsh, pass, gopass, chezmoi, etckeeper; * push, git push, push, sync
git-push; hg, chg, sl; push, email, pr submit, ghstack submit|land
git-push; jj; git push, gerrit upload
git-push; svn; commit|ci|import|lock|unlock
git-push; svn; delete|del|remove|rm|copy|cp|move|mv|rename|ren|mkdir|propset|pset|propdel|propedit; operatesOnUrl
git-push; svnsync; synchronize|sync
git-push; bzr, brz, darcs, pijul, got; push, send, dpush
git-push; fossil; push, sync, commit|ci
git-push; p4; submit, push, unsubmit
git-push; cvs; commit|ci, import, tag, rtag
git-push; repo, arc, stg, b4; upload, diff, land, mail|email, send
git-push; gt, av, spr; submit|s|ss, stack submit|s, merge, sync, pr, diff, update, land
git-push; ghstack
git-merge; git, hub, yadm, dotbare; merge ![--abort --quit --ff-only]; not mergesFast
git-merge; git, hub, yadm, dotbare; pull; pullMerges
git-merge; git; subtree pull|merge, submodule update [--merge], flow * finish
git-merge; hg, chg, sl; merge ![--abort --preview -P], fetch
git-merge; svn, bzr, brz, fossil; merge ![--preview]
git-discard; git, yadm; reset [--hard --merge], worktree remove [-f --force], stash clear; discardsChanges
git-discard; git, yadm; checkout, restore, switch [-f --force --discard-changes]; discardsChanges
git-discard; git, yadm; checkout-index [-f --force], read-tree [--reset], rm [-f --force] ![--cached]; discardsChanges
git-discard; git, yadm; submodule deinit [-f --force]; discardsChanges
git-discard; hg, chg, sl; update|up|checkout|co|goto [-C --clean], revert [-C --no-backup], shelve [-d --delete --cleanup]
git-discard; svn, p4; revert
git-discard; cvs; update|up [-C]
git-clean; git, yadm; clean ![-n --dry-run]; not worksInMadeDir
git-clean; hg, chg, sl; purge|clean ![-p --print]
git-clean; svn; cleanup [--remove-unversioned --remove-ignored]
git-clean; bzr, brz, fossil; clean-tree, clean ![-n]
git-delete-ref; git, yadm; branch [-D], tag [-d --delete -f --force], update-ref [-d --delete], symbolic-ref [-d --delete]
git-delete-ref; git, yadm; branch [-d --delete] [-f --force]
git-delete-ref; git; delete-branch, delete-merged-branches, delete-tag, town delete|kill
git-rewrite; git, yadm; filter-branch, filter-repo, reflog expire|delete, prune, lfs migrate ![-n --dry-run]
git-rewrite; git, yadm; gc; prunesNow
git-rewrite; git; annex drop|dropunused [--force]
git-rewrite; hg, chg, sl; strip, debugstrip, rollback
git-rewrite; jj; op|operation abandon, util gc
git-rewrite; fossil, p4, darcs; purge, scrub, shun, obliterate
git-rewrite; bfg
# Forges
forge-merge; gh; pr merge|close|review|update-branch|revert
forge-merge; glab; mr merge|accept|close|delete|approve|revoke|rebase
forge-merge; tea, fj, gcli; pulls|pull|pr merge|close|approve|reject
forge-release; gh; release create|delete|delete-asset|edit|upload
forge-release; glab, hub, tea, fj; release|releases create|delete|upload|edit
forge-create; gh; repo create, repo sync [--force], gist create|edit|rename, project create|copy
forge-create; glab, hub, tea, fj; repo|repos|snippet|gist create, create
forge-comment; gh; pr comment|lock, issue comment|lock, discussion comment
forge-comment; glab, tea, hub, fj; mr note, issue note, incident note, comment, issue comment, pr comment
forge-comment; jira; issue comment|move|edit|delete|assign|link|unlink, sprint close
forge-delete; gh; repo delete|archive|rename|transfer|unarchive|deploy-key, issue close|delete|transfer, project close
forge-delete; gh; repo edit [--visibility --default-branch]
forge-delete; gh; gist|label|ssh-key|gpg-key|cache|codespace|project|run|variable|secret|ruleset|extension delete|remove
forge-delete; gh; codespace stop|rebuild, project item-delete|item-archive|field-delete
forge-delete; glab; repo|issue|label|ci|variable|schedule|snippet|ssh-key|milestone|deploy-key|cluster|token delete
forge-delete; glab; repo archive|transfer, issue close, token revoke|rotate
forge-delete; hub, tea, fj; delete, repo|repos delete, issue|issues close
forge-secret; gh; secret set|remove, variable set
forge-secret; glab; variable set|update|import, securefile create|remove
forge-run; gh; workflow run|disable|enable, run cancel|rerun
forge-run; glab; ci|pipeline run|run-trig|cancel|retry|trigger, job play, schedule run|create|update
forge-run; bk, travis, drone, woodpecker-cli; build|pipeline create|start|restart|cancel|stop|rebuild|promote|rollback, restart, cancel
forge-run; tkn, argo; * start|delete|cancel, submit|delete|stop|terminate|retry|resubmit|suspend
forge-run; fly; trigger-job|tj|abort-build|ab|destroy-pipeline|dp|set-pipeline|sp|pause-pipeline|pp
forge-run; circleci, jenkins-cli; pipeline run, build, delete-job, delete-builds, safe-restart, restart, shutdown, quiet-down
forge-api; gh, glab; api; changesThroughApi
# Clusters
kubernetes; kubectl, oc, kubecolor; delete|apply|create|replace|patch|edit|set|scale|autoscale|drain|cordon|uncordon|taint
kubernetes; kubectl, oc, kubecolor; label|annotate ![--list], expose, run, debug, evict, certificate approve|deny
kubernetes; kubectl, oc, kubecolor; rollout restart|undo|pause|resume, config delete-context|delete-cluster|delete-user
kubernetes; kubectl, oc, kubecolor; cp; copiesThere
kubernetes; oc; new-app|new-project|new-build|start-build|cancel-build|import-image|tag, adm drain|cordon|prune|policy
kubernetes; helm, helmfile; install|upgrade|uninstall|delete|del|un|rollback|apply|sync|destroy
kubernetes; argocd; app sync|delete|rollback|set|create|patch|unset, cluster|repo|proj rm|delete|add, account delete-token
kubernetes; flux, skaffold; app sync|delete, reconcile|delete|run|deploy|uninstall|install|bootstrap|suspend|resume|dev|apply
kubernetes; tilt, devspace, okteto, garden, werf, kapp, kluctl; up|down|ci|deploy|delete|purge|reset|destroy|converge|dismiss|cleanup|dev
kubernetes; istioctl, cilium, kubeadm; install|uninstall|upgrade|reset|init|join, operator remove
kubernetes; kn; service|source|trigger|broker|revision delete|update|create|apply
kubernetes; velero; backup|schedule delete, restore create, uninstall
kubernetes; nomad; job run|stop|revert|scale|promote|dispatch|restart, run|stop, node drain, system gc, alloc stop|restart
kubernetes; consul, etcdctl; kv put|delete, services deregister, force-leave, leave, put|del, member remove, snapshot restore
kubernetes; vault, bao; delete|write, kv put|delete|destroy|patch, secrets|auth disable|move, lease|token revoke, operator seal
kubernetes; k3s-uninstall.sh, k3s-agent-uninstall.sh, k3s-killall.sh
# Infrastructure and clouds
terraform; terraform, tofu, terragrunt; apply|destroy|import|taint|untaint|refresh|force-unlock, workspace delete
terraform; terraform, tofu, terragrunt; run-all apply|destroy, apply-all|destroy-all, run … apply|destroy, stack run apply|destroy, state rm|mv|push|replace-provider
terraform; atmos, terramate; terraform apply|destroy|deploy, run … apply|destroy
terraform; pulumi; up|update|destroy|import|refresh|cancel|watch, stack rm|import, state delete|move|repair|rename
terraform; cdk, cdktf, sst, copilot; deploy|destroy|bootstrap|watch|remove|rollback|gc, svc|app|env|job|pipeline delete|deploy
cloud; aws, awslocal; ; changesAws
cloud; gcloud; storage rm|mv|cp|rsync; changesStore
cloud; gcloud, bq, az, doctl, hcloud, linode-cli, ibmcloud, oci, eksctl, rosa, ocm; ; changesCloud
cloud; scw, vultr-cli, exo, upctl, ovhcloud, aliyun, tccli, yc, openstack, civo; ; changesCloud
cloud; cloudflared, flarectl, pscale, turso, neonctl, neon, atlas, confluent, databricks; ; changesCloud
cloud; az; pipelines run
cloud; dnscontrol, certbot; push, revoke|delete
cloud; gsutil; rm|rb|mv|rsync|cp|setmeta|iam|acl|lifecycle|defacl|web; changesStore
cloud; s3cmd, s4cmd, s5cmd; del|rm|rb|mv|sync|put|cp|modify|expire|setacl|setpolicy|delpolicy|dellifecycle; changesStore
cloud; mc, mcli; rm|rb|mv|mirror|cp|put|pipe, admin … remove|disable|restart|stop; changesStore
cloud; rclone; sync|bisync|delete|deletefile|purge|rmdir|rmdirs|move|moveto|cleanup|dedupe|copy|copyto|rcat; changesStore
cloud; b2, azcopy, swift; rm|remove|delete|delete-bucket|delete-file-version|sync|copy|upload, file|bucket delete|upload; changesStore
backup; restic, rustic; forget|prune|rewrite|unlock|repair, key remove
backup; borg, borgmatic; delete|prune|compact|recreate|break-lock
backup; kopia; snapshot delete|expire, maintenance run, repository delete, policy delete, blob delete
backup; duplicity; remove-older-than|remove-all-but-n-full|remove-all-inc-of-but-n-full|cleanup
backup; tarsnap, timeshift; [-d --nuke --delete --delete-all --restore]
backup; tmutil; delete|deletelocalsnapshots|thinlocalsnapshots|disable|removedestination
backup; snapper, btrbk, pgbackrest, barman, wal-g; delete|undochange|rollback|clean|prune|expire|stanza-delete
backup; nix, nix-collect-garbage; profile wipe-history, [-d --delete-old]
# Many machines at once
fleet; ansible; ![--check -C --list-hosts]; runsAnsibleModule
fleet; salt, salt-ssh, salt-call; ; runsSaltState
fleet; puppet, chef-client, chef-solo, cinc-client; apply, agent ![--noop]
fleet; chef-client, chef-solo, cinc-client; ![-W --why-run]
fleet; knife; * delete, * … delete, upload, delete, ssh, bootstrap, cookbook upload
fleet; bolt, pyinfra; command|script|task|plan run, apply, file upload, … exec
fleet; nixos-rebuild, colmena, deploy-rs, morph, nixops, darwin-rebuild; switch|boot|test|apply|deploy|rollback|destroy
# Platforms
platform-deploy; vercel, now; deploy|remove|rm|promote|rollback|redeploy, alias set|rm, env rm|add, domains|project|secrets|dns rm|add
platform-deploy; netlify, ntl; deploy, sites:delete, env:set|env:unset|env:import
platform-deploy; fly, flyctl; deploy|destroy|launch, scale count|vm|memory, secrets set|unset|import|deploy, machine|machines|m run|update
platform-deploy; fly, flyctl; apps|app|machine|machines|m|volumes|volume|vol|postgres|pg|redis destroy|delete|stop|restart|kill|suspend
platform-deploy; heroku; apps:destroy|pg:reset|pg:promote|pg:push|pg:copy|ps:scale|ps:restart|ps:stop|restart|releases:rollback|rollback
platform-deploy; heroku; container:release|container:push|config:set|config:unset|addons:destroy|addons:detach|maintenance:on
platform-deploy; heroku; pipelines:promote|pipelines:destroy|domains:remove|apps:transfer|access:remove|certs:remove|deploy
platform-deploy; wrangler; deploy|publish|delete|rollback, secret put|delete|bulk, pages|versions deploy, pages project delete
platform-deploy; wrangler; r2 object put|delete, r2 bucket delete, kv key|namespace|bulk put|delete, d1 delete, d1 migrations apply, queues delete|purge
platform-deploy; wrangler; kv:key|kv:namespace|kv:bulk put|delete
platform-deploy; firebase; deploy, *:delete, *:disable, database:remove|database:set|database:update|database:push, *:rollback, *:import
platform-deploy; serverless, sls, sam, surge, dpl, arc; deploy|remove|delete|publish|rollback|teardown|sync|destroy, hosting:disable
platform-deploy; eb, cf, railway, amplify, supabase, render, deployctl, convex; deploy|up|push|terminate|delete|down|publish|restage
platform-deploy; eb, cf, railway, amplify, supabase, render, deployctl, convex; db push|reset, functions deploy|delete, projects delete, secrets set|unset
platform-deploy; cf; delete-service|delete-space|delete-org|delete-route|unbind-service|stop|restart|scale
platform-deploy; dokku, caprover, clever, scalingo, gigalixir, koyeb, zeabur, modal, platform, upsun; *:destroy, *:delete, deploy|destroy, *:merge
platform-deploy; dokku, platform, upsun; ps:stop, config:set|config:unset, domains:remove, push|redeploy
platform-deploy; shopify, clasp, hugo, quarto; theme push|publish|delete, app deploy|release, push|deploy|undeploy, publish
platform-deploy; mkdocs, mike; gh-deploy, deploy|delete [-p --push]
platform-deploy; ghp-import; [-p --push]
platform-deploy; gh-pages
platform-deploy; surge; ; surges
platform-deploy; eas, expo, code-push, appcenter; submit|update|deploy|publish|release|release-react|promote|rollback, distribute *, codepush *
platform-deploy; ansible-playbook, ansible-pull; ![--check -C --syntax-check --list-hosts --list-tasks]
platform-deploy; cap, kamal, capistrano, mina, dep; ![-T -n]
platform-deploy; lftp, ftp, sftp, ncftp; ; changesOverFtp
platform-deploy; ncftpput
vercel-bare; vercel; ; deploysBare
# Packages and artifacts; to most, -n is no rehearsal: poetry's and nuget's ask nothing.
publish; npm, pnpm, yarn, bun; publish|unpublish|deprecate|undeprecate, dist-tag|dist-tags|tag add|rm|set|remove
publish; npm, pnpm, yarn, bun; owner|team|org|access|token|hook add|rm|remove|set|grant|revoke|destroy|delete|public|restricted
publish; npm, yarn, bun; npm publish, npm tag|owner add|remove, stage publish, pm publish
publish; cargo; publish|yank|release|smart-release|unleash ![-n], ws|workspaces publish ![-n], owner ![-l --list]
publish; gem; push|yank, owner [-a --add -r --remove]
publish; twine; upload|register
publish; poetry, uv, flit, hatch, pdm, maturin, rye, pixi; publish|upload
publish; python; setup.py … upload|register
publish; deno, jsr, vsce, ovsx, changeset, lerna, nx, rush, wasm-pack, wapm, wasmer; publish|unpublish, deploy
publish; lerna, nx; version ![--no-push --no-git-tag-version], release ![--skip-publish], release publish
publish; semantic-release, release-it, np, bumpp; ![-d --preview]
publish; auto, shipjs, release-plz, release-please; shipit|release|latest|canary|next, trigger, github-release|release-pr
publish; helm, oras, crane, regctl, nuget; push|delete|cm-push|copy|cp|append|attach|tag, image|manifest|blob|tag copy|delete|put|mod|push
publish; skopeo; copy|delete|sync; copiesToRegistry
publish; cosign, notation; sign|attach|attest|upload|copy|clean
publish; dotnet, choco, paket; nuget push|delete, push
publish; mix, rebar3, gleam; hex.publish|hex.retire|hex.owner, hex publish|retire, publish|retire
publish; dart, flutter; pub publish|lish|uploader ![-n]
publish; goreleaser, jreleaser; release|full-release|publish|announce|deploy|upload ![--snapshot --skip-publish --skip=publish]
publish; pod; trunk push|delete|deprecate|add-owner|remove-owner, repo push
publish; swift; package-registry publish
publish; snapcraft, charmcraft, rockcraft; upload|release|push|close|promote|register
publish; anaconda, rattler-build, devpi; upload|remove|move|copy|push|publish
publish; cabal, stack, opam, dune-release, luarocks, fez, elm; upload|publish, opam submit
publish; cpan-upload, opam-publish, dput, dupload, debrelease, aurpublish
publish; minil, dzil, mbtiny; release|upload
publish; dgit, fedpkg, osc, copr-cli, copr, koji; push|push-source|build|update|commit|ci|submitrequest|sr|rdelete|delete
publish; brew; bump-formula-pr|bump-cask-pr|pr-upload
publish; cachix, attic, nix, spack, conan; push|pin, copy [--to], buildcache push, upload
publish; nix-copy-closure
publish; fury, cloudsmith, package_cloud, jf, jfrog; push|yank|delete|promote, rt u|upload|del|delete|mv|bp|build-publish
publish; vagrant, ansible-galaxy; cloud publish, cloud … delete|upload|release, collection publish, role import|delete
publish; huggingface-cli, hf, kaggle; upload|upload-large-folder, repo create|delete, * create|version|push|submit|delete|update
publish; dvc, ollama, butler, web-ext; push, gc|destroy, sign
publish; xcrun; altool, notarytool submit
publish; fastlane; deliver|pilot|supply|upload_to_testflight|upload_to_app_store|upload_to_play_store|gym_upload
publish; gpg, gpg2; [--send-keys]
docker-push; docker, podman, nerdctl, buildah, ctr; push, image|images push, compose push, buildx imagetools create, manifest push
docker-push; docker, podman, docker-compose, podman-compose; trust sign|revoke, plugin push, push
docker-push; ko; build|publish|apply|create|resolve|delete|run ![--local -L --push=false]
docker-build-push; docker, podman, nerdctl, buildah, docker-compose; build, buildx build|bake, compose build, image build, bake; buildsIntoRegistry
docker-build-push; pack, earthly, depot, buildctl; ; publishesImage
# Before the tasks: a task of Ruby's that resets the database
database-reset; rails, rake; ; resetsDatabase
ship-task; npm, pnpm, yarn, bun, deno, make, gmake, just, task, rake, gradle, gradlew, mvn, mvnw, sbt, mill, nx, turbo, fab, invoke, inv, ant, bazel, bazelisk, buck2, pants, mage, moon, wireit, earthly, nox, tox, dagger, composer, fastlane, npm-run-all, run-s, run-p, cargo, mise, pixi, poe, ng, rush, gulp, grunt, lein, doit, phing, robo, cake, psake, waf, scons, act; ; runsShippingTask
ship-script; *; ![--check --version --list -h]; ships
# Files and disks
remove-tree; rm, grm, rimraf, del-cli; ; removesTreeOutside
find-delete; find, gfind; ; findDeletesOutside
sync-delete; rsync, unison; ![-n]; syncDeletes
shred; shred, srm, wipe, scrub, nwipe
permissions; chmod, chown, chgrp, setfacl, chattr, chcon, gchmod, gchown; ; changesSystemRights
disk; mkfs, newfs, mke2fs, mkswap, wipefs, blkdiscard, fdisk, gdisk, sgdisk, cfdisk, sfdisk, parted, fsck, e2fsck; ; not onlyReadsDisk
disk; lvremove, vgremove, pvremove, lvreduce, pvcreate, vgcreate, resize2fs, xfs_repair; ; not onlyReadsDisk
disk; zfs, zpool; destroy|rollback|labelclear|remove|detach|offline; not onlyReadsDisk
disk; cryptsetup; luksFormat|erase|luksErase|luksKillSlot|luksRemoveKey|reencrypt
disk; btrfs; subvolume delete, device remove|delete
disk; mdadm; [--zero-superblock --stop -S --remove -r --fail -f --create -C]
disk; badblocks, flashrom, efibootmgr; [-w -E -B -c -o --write --erase]
disk; hdparm; ; erasesDrive
disk; nvme, sg_format; format|sanitize|write-zeroes|delete-ns, /dev/*
disk; diskutil; eraseDisk|eraseVolume|partitionDisk|zeroDisk|secureErase|reformat|randomDisk|mergePartitions
disk; diskutil; apfs deleteVolume|deleteContainer|eraseVolume, appleRAID delete
disk; dmsetup, ceph, rbd, gluster; remove|remove_all|wipe_table, osd purge|destroy|rm, osd pool delete|rm, rm, volume stop|delete
disk; fwupdmgr, bootctl, asr; install|update|downgrade|remove|restore
disk; grub-install
write-device; dd, tee, cp, mv, install, pv, dcfldd, ddrescue; ; writesDisk
machine-remove; vagrant; destroy, box remove, snapshot delete|restore
machine-remove; kind, k3d, k0s, microk8s, minikube; delete, cluster|node|registry delete, reset
machine-remove; multipass, limactl, colima, orb, orbctl, tart, prlctl; delete|purge|prune|factory-reset|reset
machine-remove; docker-machine; rm
machine-remove; podman; machine rm|reset
machine-remove; virsh; destroy|undefine|reset|shutdown|vol-delete|vol-wipe|pool-delete|pool-destroy|net-destroy|snapshot-delete|snapshot-revert
machine-remove; VBoxManage, vboxmanage; unregistervm|closemedium|discardstate, controlvm * poweroff|reset, snapshot * delete|restore
machine-remove; lxc, incus; delete|rm, snapshot|image|storage|network|profile|project delete, storage volume delete, restore
machine-remove; pct, qm, vmrun; destroy|rollback|delsnapshot|deleteVM|deleteSnapshot|revertToSnapshot
machine-remove; lxc-destroy
machine-remove; machinectl, distrobox, toolbox, ddev, lando; remove|rm|terminate|poweroff|kill|clean|delete|destroy
machine-remove; wsl; [--unregister --shutdown --terminate]
# The machine
root; sudo, doas, su, pkexec, run0, gosu, su-exec, dzdo, please, runuser, sudoedit, visudo; ; actsAsOther
service; systemctl; stop|disable|mask|kill|poweroff|reboot|halt|suspend|hibernate|kexec|isolate|rescue|emergency
service; systemctl; set-default|revert|clean|soft-reboot, restart|try-restart|reload-or-restart ![--user]
service; launchctl; bootout|unload|remove|disable|kill|stop|reboot
service; service, rc-service, invoke-rc.d; * stop|restart|force-stop|kill|zap|graceful-stop
service; *; stop|restart|force-stop; isInitScript
service; shutdown; ![-c --show]
service; reboot, halt, poweroff, pm-suspend
service; init, telinit; 0|1|6|S|s
service; initctl, rc-update, update-rc.d, chkconfig; stop|restart, del|delete, * remove|disable|off
service; sv, s6-rc, dinitctl; stop|down|exit|force-stop|force-shutdown|kill|restart, change
service; s6-svc, svc, s6-rc; [-d -k -x -D -K]
service; supervisorctl, circusctl, monit, pm2, forever; stop|shutdown|remove|restart|delete|kill|stopall|quit|unmonitor|del|reload
service; brew; services stop|restart|kill
service; nginx, apachectl, apache2ctl, httpd, caddy; stop|graceful-stop|restart
service; nginx, apachectl, apache2ctl, httpd; ; stopsServer
service; pg_ctl, pg_ctlcluster, nodetool; stop|restart|kill|promote, * * stop|restart, drain|decommission|stopdaemon
service; mongod; [--shutdown]
service; rabbitmqctl; stop|shutdown|stop_app|reset|force_reset|forget_cluster_node|delete_vhost|delete_user
service; loginctl; terminate-user|terminate-session|kill-session|kill-user|poweroff|reboot|suspend
service; swapoff, rmmod, setenforce
service; sysctl, modprobe; [-w --write -r --remove]
network; ip; link|l set … down, link|addr|address|a|route|r|rule|netns|neigh del|delete|flush
network; ifdown
network; ifconfig, wg-quick, route, rfkill; * down, down, del|delete|flush, block
network; nmcli; connection|con|c delete|down|modify, device|dev|d disconnect|delete, networking|n off, radio|r * off
network; tailscale, warp-cli, mullvad, nordvpn, netplan; down|logout|disconnect|apply
network; networksetup; ; setsNetwork
kill-broad; killall, pkill, killall5, skill, xkill; ![-P --parent]; not signalsNothing
kill-broad; kill; ; killsFound
kill-broad; fuser; [-k -K --kill]
kill-broad; kill-port, fkill, killport, taskkill
kill-all; kill; ; killsAll
sessions-kill; tmux; kill-server|kill-session, … kill-server|kill-session
sessions-kill; zellij; kill-all-sessions|kill-session|delete-all-sessions|delete-session|ka|k|da|d
sessions-kill; screen; [-X]; endsScreen
crontab-remove; crontab; ![-l -V -T]
jobs-remove; atrm, scancel, qdel, bkill, condor_rm, lprm
jobs-remove; at; [-d -r]
jobs-remove; pueue; kill|clean|reset|remove
accounts; userdel, groupdel, deluser, delgroup, passwd, chpasswd, usermod, groupmod, chage, gpasswd, vipw; ![-S --status]
accounts; dscl, sysadminctl, smbpasswd; [-delete -deleteUser -resetPasswordFor -x]
firewall; iptables, ip6tables, ebtables; [-F -X -P -D -I -A -R --flush]
firewall; iptables-restore, ip6tables-restore
firewall; nft, ipset; flush|delete|add|insert|replace|destroy|del, [-f --file]
firewall; ufw; reset|disable|enable|deny|delete|allow|reject|limit|default
firewall; firewall-cmd; ; setsFirewall
firewall; pfctl; [-F -d -f]
settings-remove; defaults, gsettings, dconf; delete|remove, reset-recursively, reset [-f]
settings-remove; security; delete-keychain|delete-generic-password|delete-internet-password|delete-certificate|delete-identity
settings-remove; secret-tool, op, bw, keyctl; clear, item|vault|document|user|group delete, delete, purge|revoke
settings-remove; gpg, gpg2; ; deletesKeys
settings-remove; snap, flatpak, chezmoi; remove [--purge], uninstall|remove [--delete-data], destroy|purge
# Data
sql; psql, mysql, mariadb, sqlite3, duckdb, sqlcmd, clickhouse-client, clickhouse, cockroach, bq, snowsql, snow; ; runsDestructiveSql
sql; pgcli, mycli, litecli, usql, sqlplus, isql, osql, trino, presto, beeline, hive, impala-shell, spark-sql, cqlsh; ; runsDestructiveSql
sql; cypher-shell, influx, turso, pscale, db2, ysqlsh, vsql, iredis; ; runsDestructiveSql
sql; wrangler, supabase, heroku, aws; d1 execute, db execute|query, pg:psql|psql, rds-data execute-statement; runsDestructiveSql
database-remove; dropdb, dropuser, pg_dropcluster, pg_resetwal
database-remove; mysqladmin, pg_restore, redis-cli, valkey-cli, keydb-cli, mongosh, mongo; ; removesData
database-remove; mongorestore, mysqlimport; [--drop --delete -D]
database-remove; influx, nodetool, neo4j-admin; delete, bucket|org|user delete, removenode|truncate, database load
database-remove; curator, curator_cli, zkCli.sh; delete_indices|delete_snapshots, … delete|deleteall|rmr
database-reset; prisma; migrate reset, db push; resetsDatabase
database-reset; prisma; db execute
database-reset; sequelize, sequelize-cli, typeorm, knex, mikro-orm; db:drop|schema:drop|schema:fresh|db:migrate:undo|db:migrate:undo:all|migration:revert
database-reset; knex, mikro-orm, drizzle-kit; migrate:rollback|migrate:down|migration:fresh|migration:down, drop, push [--force]
database-reset; mix; ecto.drop|ecto.reset|ecto.rollback
database-reset; python, manage.py, django-admin; flush|reset_db, manage.py flush|reset_db, manage.py migrate * zero, migrate * zero
database-reset; php, artisan, sail, console; artisan migrate:fresh|migrate:reset|migrate:refresh|migrate:rollback|db:wipe
database-reset; artisan, sail; migrate:fresh|migrate:reset|migrate:refresh|migrate:rollback|db:wipe
database-reset; php, console; bin/console doctrine:database:drop|doctrine:schema:drop, doctrine:database:drop|doctrine:schema:drop
database-reset; flyway, liquibase; clean|undo|drop-all|rollback|dropAll
database-reset; alembic, flask; downgrade, db downgrade
database-reset; dbmate, goose, migrate, sqlx, diesel, sea-orm-cli, atlas; drop|down|rollback|reset, database drop|reset, … drop|down|reset|fresh|revert|redo
database-reset; atlas; schema apply|clean
database-reset; wp, drush; db drop|reset|clean, site empty|delete, sql-drop|sql:drop|site:install|sql-sync|sql:sync
database-reset; hasura, dbt; metadata clear, migrate delete|squash, run|build|seed [--full-refresh]
queue; kafka-topics.sh, kafka-topics, kafka-consumer-groups.sh, kafka-consumer-groups; [--delete --alter --delete-offsets --execute]
queue; kafka-delete-records.sh, kafka-delete-records, kafka-console-producer.sh, kafka-console-producer
queue; kcat, kafkacat; [-P]
queue; rpk; topic delete|produce|alter-config|trim-prefix, group delete|seek
queue; rabbitmqadmin, rabbitmqctl; delete|purge|publish, delete_queue|purge_queue
queue; nats; pub|publish|request|req, stream|kv|object|consumer rm|del|delete|purge|edit
queue; mosquitto_pub, amqp-publish
queue; celery, rq; purge, … purge, empty
docker-remove; docker, podman, nerdctl; rm|rmi, container|image|pod rm|remove|prune, volume|secret|context|config|plugin rm|remove; removesContainerData
docker-remove; docker, podman, nerdctl; volume prune, system prune|reset, compose down|rm, machine rm|reset, stack rm|down|deploy; removesContainerData
docker-remove; docker, podman; swarm leave|init|join|update, service rm|update|scale|rollback|create, node rm|update|demote, kube down
docker-remove; docker-compose, podman-compose; down, rm; removesContainerData
docker-remove; buildah, crictl, ctr; rm [-a --all], prune [-a --all], rmp|stopp, containers|container|snapshots|tasks rm|delete|remove|kill
# The network
run-fetched; *; ; runsFetchedText
send-mail; curl, wget, http, https, xh, xhs, curlie; ; sendsMessage
http-change; curl, wget, http, https, xh, xhs, curlie; ; changesOverHttp
http-change; grpcurl, evans; ; callsToChange
send-mail; sendmail, msmtp, swaks, ssmtp, sendemail, mailsend, smtp-cli, mpack
send-mail; mail, mailx, nail, s-nail, mutt, neomutt; ; mails
send-mail; himalaya; send|write|reply|forward, message|template send|write|reply|forward
send-mail; slack, slackcat, slack-cli, slackr, discord.sh
send-mail; telegram-send, telegram-cli, signal-cli, matrix-commander, sendxmpp, go-sendxmpp; ![--receive --configure]
send-mail; ntfy, gotify, pushover, apprise, shoutrrr, pushbullet; ; notifies
send-mail; wall, write
send-mail; toot, t, tweet, bsky; post|update|reply|dm|delete|retweet|reblog|favourite|follow
send-mail; twurl
send-mail; twilio; api:core:messages:create|email:send, … create|remove
send-mail; gammu, kdeconnect-cli, mmcli; sendsms *, [--send-sms --share --messaging-create-sms]
send-mail; pd, opsgenie; incident *, alert *, event *, createAlert
print; lp, lpr
`;

interface Row {
  rule: RuleId;
  /** Whether it applies to every program. */
  isGeneral: boolean;
  verbs: readonly string[];
  question: Question | undefined;
}

const ROWS_OF = new Map<string, readonly Row[]>();

/** The rows of a program; "*" has those that apply to every program. */
function rowsOf(program: string): readonly Row[] {
  const known = ROWS_OF.get(program);
  if (known !== undefined) return known;
  const rows = linesNaming(TABLE, program, 1).map(toRow);
  ROWS_OF.set(program, rows);
  return rows;
}

function toRow(line: string): Row {
  const [rule = "", programs, verbs = "", asked] = line.split("; ");
  const name = asked?.replace(/^not /, "") as keyof typeof ask | undefined;
  const question = name === undefined ? undefined : ask[name] as Question;
  return {
    rule: rule as RuleId,
    isGeneral: programs === "*",
    verbs: verbs === "" ? [] : verbs.split(", "),
    question: question !== undefined && asked?.startsWith("not ") ? (call) => !question(call) : question,
  };
}

/**
 * The lines of a table that have a name in the given field, which may hold several, separated by commas. Fields end
 * in `;`, and each name follows a blank.
 */
export function linesNaming(table: string, name: string, field: number): string[] {
  const lines: string[] = [];
  const sought = ` ${name}`;
  for (let at = table.indexOf(sought); at >= 0; at = table.indexOf(sought, at + 1)) {
    const isWhole = ";,\n".includes(table.charAt(at - 1)) &&
      ";,\n".includes(table.charAt(at + sought.length));
    if (!isWhole) continue;
    const start = table.lastIndexOf("\n", at) + 1;
    const line = table.slice(start, table.indexOf("\n", at));
    if (line.slice(0, at - start).split(";").length === field + 1) lines.push(line);
  }
  return lines;
}

/** Whether the table mentions a program by name. */
export function hasRules(program: string): boolean {
  return program !== "*" && rowsOf(program).length > 0;
}

/**
 * The rule that refuses a call. A guessed call, made from the words after an unknown program, is tried only against
 * rows that name subcommands or ask a question.
 */
export function ruleFor(call: Call, isGuess: boolean): RuleId | undefined {
  const rows = [...rowsOf(call.program), ...rowsOf("*")];
  return rows.find((row) =>
    !(isGuess && (row.isGeneral || (row.verbs.length === 0 && row.question === undefined))) &&
    // `npm run deploy --dry-run` deploys: the task does not see the option.
    !(row.rule !== "ship-task" && call.rehearses) && matches(call, row)
  )?.rule;
}

function matches(call: Call, { verbs, question }: Row): boolean {
  if (call.asksHelp || (verbs.length > 0 && call.args.at(-1)?.text === "-h")) return false;
  return (verbs.length === 0 || verbs.some((verb) => matchesVerb(call, verb))) && (question?.(call) ?? true);
}

/** Whether a call has a subcommand and the options that the row requires. */
function matchesVerb(call: Call, verb: string): boolean {
  const words = verb.replace(/ ?!?\[.*/, "");
  if (words !== "" && !call.isVerb(words)) return false;
  return [...verb.matchAll(/(!?)\[([^\]]*)\]/g)].every(([, not, options = ""]) =>
    call.has(...options.split(" ")) === (not === "")
  );
}

/**
 * An entry of `gate.deny` or `gate.allow`: `"git stash drop"` lists the program, subcommands and options that must be
 * present.
 */
export type ConfigEntry = string | { match: string; why?: string | undefined };

/** An entry of the config, ready to be matched. */
export interface ConfigRule {
  match: string;
  why: string | undefined;
  matches: Question;
}

/** Reads an entry of the config. */
export function configRule(entry: ConfigEntry): ConfigRule {
  const { match, why } = typeof entry === "string"
    ? { match: entry, why: undefined }
    : { why: undefined, ...entry };
  const [program, ...rest] = match.split(/\s+/).filter((word) => word !== "");
  const options = rest.filter((word) => word.startsWith("-"));
  const verbs = rest.filter((word) => !word.startsWith("-"));
  const matches: Question = (call) =>
    program !== undefined && call.program === programName(program) &&
    (verbs.length === 0 || call.isVerb(verbs.join(" "))) && options.every((option) => call.has(option));
  return { match, why, matches };
}
