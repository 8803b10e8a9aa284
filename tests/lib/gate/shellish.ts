/** Inputs that no person writes: pieces of shell, repeated many times or joined at random. */
import fc from "fast-check";
import { anyCharacter } from "../../properties.ts";

/** Pieces whose repetition nests, quotes or pipes very deeply, or takes a naive parser quadratic time. */
export const SEEDS: readonly string[] = [
  "a ",
  "'",
  '"',
  "$(",
  "`",
  "((",
  "$((",
  "(",
  "{ ",
  "a|",
  "sh|",
  "git push --dry-run;",
  "\\",
  "<<E\n",
  "case x in ",
  "[[ ",
  "${",
  "env ",
  "echo $(ls);",
  "curl x|",
  "x=1;",
  "rm -rf build;",
  "cat <<E\nx\nE\n",
  "find . -exec ",
  "find . -exec a \\; ",
  "psql /*;",
  "git status;",
  "\n",
  "#",
  "$'",
  "a=(",
  "for x in ",
  "if a; then ",
  "sh -c ",
  "xargs ",
  "git ",
  "ls >",
  "cd x;",
  "(cd x;ls);",
  "a\\\n",
  "${x:-",
  "f() {",
  "f() { f; };",
  "coproc ",
  '"$(',
  "<(",
  ")",
  "a;;",
  "trap 'rm -rf $x' EXIT;",
  "x=$x$x;",
  "for x in a b; do rm -rf $x; done;",
];

/** A seed, repeated up to a number of characters. */
export function repeated(seed: string, chars: number): string {
  return seed.repeat(Math.ceil(chars / seed.length));
}

/** Text that looks like shell: operators and words, joined at random. */
export const shellish: fc.Arbitrary<string> = fc.array(
  fc.constantFrom(
    ...("' \" ` \\ $ $( ( ) { } ; & && | || < > << <<< <( >( # \n \t ! [[ ]] ;; $' ${ (( )) = * ~ / . -c -rf -exec {} EOF " +
      "if then fi for in do done case esac while function time eval trap sh bash env xargs find git push rm curl sudo ssh echo a x=")
      .split(/ /),
    " ",
    " ",
    " ",
  ),
  { maxLength: 60 },
).map((pieces) => pieces.join(""));

/** Any text: like shell, or of any characters. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  shellish,
  fc.string({ unit: anyCharacter, maxLength: 200 }),
);

/** An exact argv of any words. */
export const anyArgv: fc.Arbitrary<string[]> = fc.array(
  fc.oneof(
    shellish,
    fc.constantFrom("sh", "-c", "env", "xargs", "find", "-exec", ";", "git", "push"),
  ),
  { maxLength: 12 },
);

/** Quotes a word by POSIX rules: nothing is special between single quotes. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
