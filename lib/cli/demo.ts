/** The texts that the demo's scripted agent writes: a sensor and a worker's brief. Pure. */
import { shellQuote } from "../text/quote.ts";

/** Name of the report that the demo's worker leaves. */
export const DEMO_REPORT = "merged-fix-typo.md";

/** The text of a sensor that shows the branches of a repository that are not merged into main. */
export function demoSensor(repo: string): string {
  return `#!/usr/bin/env bash
# looop:summary=branches that are not merged
branches=$(git -C ${
    shellQuote(repo)
  } for-each-ref --no-merged=main --format='"%(refname:short)"' refs/heads) || exit 1
printf '{"signal":[%s]}\\n' "$(printf '%s' "$branches" | paste -sd, -)"
`;
}

/** The brief of the demo's worker: a bash script, for the `shell` runner. */
export function demoBrief(repo: string): string {
  return `set -e
"$LOOOP_BIN" _ ready "$LOOOP_SESSION_ID"
repo=${shellQuote(repo)}
tree=$(mktemp -d)/tree
trap 'git -C "$repo" worktree remove --force "$tree" 2>/dev/null; rmdir "$(dirname "$tree")" 2>/dev/null' EXIT
git -C "$repo" worktree add --quiet "$tree" fix-typo
change=$(git -C "$tree" diff --unified=0 main fix-typo | grep '^[-+][^-+]' | tr '\\n' ' ')
answer=$("$LOOOP_BIN" _ ask "$LOOOP_SESSION_ID" --prompt "fix-typo changes: $change Merge it?" --options yes,no)
if [ "$answer" = yes ]; then
  git -C "$repo" merge --quiet --ff-only fix-typo
fi
git -C "$repo" worktree remove --force "$tree"
{
  echo "# fix-typo"
  echo "You said: $answer"
  echo "main is now at: $(git -C "$repo" log --oneline -1 main)"
} >"$LOOOP_DATA_DIR/reports/${DEMO_REPORT}"
"$LOOOP_BIN" _ kill "$LOOOP_SESSION_ID"
`;
}
