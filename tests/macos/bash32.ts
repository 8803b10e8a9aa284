/**
 * Rewrites a script so that a newer bash runs it as bash 3.2, macOS's sh, would. Pure.
 *
 * - Before anything was started in the background, `$!` is unset under `set -u`, even with a default.
 * - After an error of `set -u` the exit status is that of the EXIT trap's last command.
 */
export function asBash32(script: string): string {
  return script
    .replace(/\$\{!:-[^}]*\}/g, "${!?unbound variable}")
    .replace(
      /^(\s*trap )('[^'\n]*'|\S+)( EXIT)$/gm,
      (_all, start, action, end) => `${start}'${action.replace(/^'|'$/g, "")}; exit $?'${end}`,
    );
}
