/** The unit that keeps the pulse up across logins: systemd's or launchd's, as text. Pure. */
import { EXIT } from "../errors.ts";

/** What a unit is made from. */
export interface ServiceFacts {
  /** One executable path that is looop. */
  bin: string;
  dataDir: string;
  config: string;
  /** PATH at install time: a login manager's own is too short for sensors. */
  path: string;
  home: string;
}

/** Where the unit goes and what it says. */
export interface ServiceUnit {
  file: string;
  text: string;
  /** Commands that enable it, and that disable it. */
  enable: string[][];
  disable: string[][];
}

/** Name of the unit, for both managers. */
const NAME = "looop";
const LABEL = "dev.looop.pulse";

/** The unit for an operating system; `configHome` is `$XDG_CONFIG_HOME` or `~/.config`. */
export function serviceUnit(os: "linux" | "darwin", facts: ServiceFacts, configHome: string): ServiceUnit {
  if (os === "darwin") {
    const file = `${facts.home}/Library/LaunchAgents/${LABEL}.plist`;
    return {
      file,
      text: launchAgent(facts),
      enable: [["launchctl", "load", "-w", file]],
      disable: [["launchctl", "unload", "-w", file]],
    };
  }
  return {
    file: `${configHome}/systemd/user/${NAME}.service`,
    text: systemdUnit(facts),
    enable: [["systemctl", "--user", "daemon-reload"], [
      "systemctl",
      "--user",
      "enable",
      "--now",
      `${NAME}.service`,
    ]],
    disable: [["systemctl", "--user", "disable", "--now", `${NAME}.service`]],
  };
}

/** KillMode=process: what sensors leave is swept by the pulse, and workers are nobody's to kill but looop's. */
function systemdUnit(facts: ServiceFacts): string {
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
SuccessExitStatus=${EXIT.pulseRunning}
KillMode=process

[Install]
WantedBy=default.target
`;
}

/**
 * Quotes one word of a unit file by systemd.syntax(7). A `$` means nothing in `Environment=` (systemd.exec(5)), nor in
 * the program's own path, which is never a variable (systemd.service(5)).
 */
function systemdQuote(text: string): string {
  return `"${withoutSpecifiers(text.replace(/[\\"]/g, "\\$&"))}"`;
}

/** Text in which `%` stands for itself: systemd.unit(5), "Specifiers". */
function withoutSpecifiers(text: string): string {
  return text.replaceAll("%", "%%");
}

function launchAgent(facts: ServiceFacts): string {
  const log = `${facts.dataDir}/sessions/pulse/output.log`;
  const string = (text: string) => `<string>${xml(text)}</string>`;
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>${string(LABEL)}
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
  <key>ThrottleInterval</key><integer>5</integer>
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
