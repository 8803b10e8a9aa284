/**
 * A script as macOS's sh, bash 3.2, would run it, for a newer bash: its differences are written out. Pure.
 *
 * - `$!` is not set under `set -u`, also with a default, before something was started in the background.
 * - After an error of `set -u` the status is that of the EXIT trap's last command.
 */
export function asBash32(script: string): string {
  return script
    .replace(/\$\{!:-[^}]*\}/g, "${!?unbound variable}")
    .replace(
      /^(\s*trap )('[^'\n]*'|\S+)( EXIT)$/gm,
      (_all, start, action, end) => `${start}'${action.replace(/^'|'$/g, "")}; exit $?'${end}`,
    );
}
