/** Which options of which programs take a value: so the gate tells them from subcommands and operands. Pure. */

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
