/** The platform, decided in one place, so that each platform's branches can be tested on the other. */

export type Platform = "linux" | "darwin";

/** The platform whose ways are used. Tests set `LOOOP_TEST_OS` to name another than the real one. */
export const PLATFORM: Platform = platformOf(Deno.env.get("LOOOP_TEST_OS"), Deno.build.os);

/** The platform that a test asks for, else the real one; everything but macOS counts as Linux. Pure. */
export function platformOf(asked: string | undefined, real: string): Platform {
  if (asked === "darwin" || asked === "linux") return asked;
  return real === "darwin" ? "darwin" : "linux";
}
