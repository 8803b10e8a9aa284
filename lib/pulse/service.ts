/** The unit that keeps the pulse running across logins: systemd's or launchd's, as text. Pure. */

/** The facts from which a unit is made. */
export interface ServiceFacts {
  /** One executable path that starts looop. */
  bin: string;
  dataDir: string;
  /** First hexadecimal digits of a hash of the data dir, or "" for the default data dir. */
  tag: string;
  config: string;
  /** PATH at install time: a login manager's own is too short for sensors. */
  path: string;
  home: string;
  /** The user's number, which identifies the login session to launchd. */
  uid: number;
}

/** A command of the login manager's client. */
export interface ManagerCommand {
  argv: readonly [program: string, ...args: string[]];
  /** Whether it may fail, because what it ends need not exist. */
  mayFail?: boolean;
}

/** The unit's place and text. */
export interface ServiceUnit {
  file: string;
  text: string;
  /** Commands that enable it, and commands that disable it. */
  enable: readonly ManagerCommand[];
  disable: readonly ManagerCommand[];
}

/** The unit for an operating system; each data dir has its own. `configHome` is `$XDG_CONFIG_HOME` or `~/.config`. */
export function serviceUnit(os: "linux" | "darwin", facts: ServiceFacts, configHome: string): ServiceUnit {
  return os === "darwin" ? launchdUnit(facts) : systemdUnit(facts, configHome);
}

/**
 * A launch agent. `bootstrap` refuses one that is loaded already, so an earlier one is booted out first; `enable`
 * reverts an earlier `disable` by a person (launchctl(1)).
 */
function launchdUnit(facts: ServiceFacts): ServiceUnit {
  const label = facts.tag === "" ? "looop.pulse" : `looop.pulse.${facts.tag}`;
  const file = `${facts.home}/Library/LaunchAgents/${label}.plist`;
  const domain = `gui/${facts.uid}`;
  const bootout: ManagerCommand = { argv: ["launchctl", "bootout", `${domain}/${label}`], mayFail: true };
  return {
    file,
    text: launchAgent(facts, label),
    enable: [
      bootout,
      { argv: ["launchctl", "enable", `${domain}/${label}`] },
      { argv: ["launchctl", "bootstrap", domain, file] },
    ],
    disable: [bootout],
  };
}

function systemdUnit(facts: ServiceFacts, configHome: string): ServiceUnit {
  const name = facts.tag === "" ? "looop.service" : `looop-${facts.tag}.service`;
  return {
    file: `${configHome}/systemd/user/${name}`,
    text: systemdText(facts),
    enable: [
      { argv: ["systemctl", "--user", "daemon-reload"] },
      { argv: ["systemctl", "--user", "enable", "--now", name] },
    ],
    disable: [{ argv: ["systemctl", "--user", "disable", "--now", name] }],
  };
}

/** `KillMode=process`: the pulse sweeps what sensors leave behind, and only looop may end workers. */
function systemdText(facts: ServiceFacts): string {
  return `[Unit]
Description=looop pulse

[Service]
Type=exec
ExecStart=${systemdQuote(facts.bin)} _ pulse --wanted
Environment=${systemdQuote(`PATH=${facts.path}`)}
Environment=${systemdQuote(`LOOOP_DATA_DIR=${facts.dataDir}`)}
Environment=${systemdQuote(`LOOOP_CONFIG=${facts.config}`)}
StandardOutput=append:${withoutSpecifiers(facts.dataDir)}/sessions/pulse/output.log
StandardError=inherit
Restart=on-failure
RestartSec=5
KillMode=process

[Install]
WantedBy=default.target
`;
}

/**
 * Quotes one word of a unit file by systemd.syntax(7). A `$` means nothing in `Environment=` (systemd.exec(5)), nor
 * in the program's own path, which is never a variable (systemd.service(5)).
 */
function systemdQuote(text: string): string {
  return `"${withoutSpecifiers(text.replace(/[\\"]/g, "\\$&"))}"`;
}

/** Text in which `%` is literal: systemd.unit(5), "Specifiers". */
function withoutSpecifiers(text: string): string {
  return text.replaceAll("%", "%%");
}

/**
 * The launch agent's property list (launchd.plist(5)): it is restarted after a crash, but not after exit 0, which
 * means `looop down` or a pulse that somebody else has started; processes that the pulse has started are left alone.
 */
function launchAgent(facts: ServiceFacts, label: string): string {
  const log = `${facts.dataDir}/sessions/pulse/output.log`;
  const string = (text: string) => `<string>${xml(text)}</string>`;
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>${string(label)}
  <key>ProgramArguments</key>
  <array>${[facts.bin, "_", "pulse", "--wanted"].map(string).join("")}</array>
  <key>EnvironmentVariables</key>
  <dict>
    <key>PATH</key>${string(facts.path)}
    <key>LOOOP_DATA_DIR</key>${string(facts.dataDir)}
    <key>LOOOP_CONFIG</key>${string(facts.config)}
  </dict>
  <key>RunAtLoad</key><true/>
  <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
  <key>ThrottleInterval</key><integer>10</integer>
  <key>AbandonProcessGroup</key><true/>
  <key>StandardOutPath</key>${string(log)}
  <key>StandardErrorPath</key>${string(log)}
</dict>
</plist>
`;
}

function xml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
