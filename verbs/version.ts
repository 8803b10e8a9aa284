/** `looop version`: prints the version. */
import { defineVerb } from "../lib/cli/verb.ts";

export default defineVerb({
  declare: {
    path: "version",
    summary: "print the version",
    audience: "people",
    example: "looop version",
  },
  run: (context) => Promise.resolve({ text: `looop ${context.version}` }),
});
