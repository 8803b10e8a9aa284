/** looop's version; `deno.json`, CHANGELOG.md and the release tag say the same. */
export const VERSION = "0.1.0";
