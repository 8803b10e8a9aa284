/** The keys of config.json, for the manual; a test compares them with the schema. Pure. */

/** Key, default, meaning. */
export const CONFIG_DOC: readonly (readonly [string, string, string])[] = [
  ["default", '"pi"', "runner of `_ worker start` without --runner"],
  [
    "runners",
    "built-in",
    '{"NAME": {"interactive": "LINE"}}: shell line with {{prompt_file}}, {{session_id}}\n' +
    '"resume": "LINE" with {{session_id}} goes on with a session of the agent\n' +
    '"headless": "LINE" ends by itself; true: always so. "env": {"K": "V"}\n' +
    '"preset": "claude": a built-in agent, for what is not given',
  ],
  ["interval", "60", "seconds from beat to beat, at least 1 (LOOOP_INTERVAL overrides)"],
  ["sensor_concurrency", "8", "how many sensors may run at once"],
  ["ask_redeliver", "600", "seconds after which an unanswered question is given to `_ wait` again"],
  [
    "ready_timeout",
    "120",
    "seconds after which a worker that has not called back is reported, with its screen",
  ],
  ["silent_after", "900", "seconds after which a running worker that prints nothing is reported"],
  ["goal_idle_after", "86400", "seconds after which a goal without a move is reported"],
  [
    "session_ttl",
    "259200",
    "seconds that ended sessions are kept; the last 3 runs of an id stay (LOOOP_SESSION_TTL)",
  ],
  ["max_workers", "0", "workers alive at once, on all machines; 0 for no limit"],
  [
    "goals",
    "none",
    '{"ID": {"timeout": 3600}}: seconds for a worker that serves this goal; as `timeout` of a runner',
  ],
  [
    "hosts",
    "none",
    '{"gpu": {"reach": ["ssh", "gpu"]}}: machines for `_ worker start --host`; also max_workers, env, cwd, driver',
  ],
  ["host_silent_after", "300", "seconds after which a machine with workers that is not heard is reported"],
  ["orphan_after", "0", "seconds without its home after which a worker on another machine ends itself"],
  [
    "notification",
    "none",
    "shell line that reaches you, run by `_ notify` and by the pulse; {{message}} and {{id}} are filled in, quoted",
  ],
  [
    "escalate",
    "3 steps",
    "[900, 3600, 14400]: seconds after which an unanswered question runs it, once each; [] for never\n" +
    '{"after": 60, "run": "LINE"} runs another line',
  ],
  [
    "away_after",
    "1800",
    "seconds without a call of any agent after which it is run once, when something new waits",
  ],
  [
    "gate",
    "none",
    '{"deny": ["git stash drop"], "allow": ["npm publish"]}: more and fewer rules for `_ run`',
  ],
  ["prices", "none", 'dollars per million tokens: {"codex": {"input": 1.25, "cached": 0.1, "output": 10}}'],
];

/** The table as indented lines. */
export function configTable(): string {
  const width = Math.max(...CONFIG_DOC.map(([key]) => key.length));
  const defaults = Math.max(...CONFIG_DOC.map(([, value]) => value.length));
  const margin = `\n${" ".repeat(width + defaults + 6)}`;
  return CONFIG_DOC.map(([key, value, meaning]) =>
    `  ${key.padEnd(width)}  ${value.padEnd(defaults)}  ${meaning.replaceAll("\n", margin)}`
  )
    .join("\n");
}
