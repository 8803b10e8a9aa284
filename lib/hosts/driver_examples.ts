// deno-fmt-ignore-file -- made by `deno task assets` from lib/hosts/drivers/
/** Drivers of engines by name, as `looop _ host examples` prints them. */
export const DRIVER_EXAMPLES: Readonly<Record<string, string>> = {
  "podman": [
    "",
  ].join("\n"),
};
