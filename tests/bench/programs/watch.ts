/** The bare watcher: prints one line at the first event in a folder and ends. The lower bound of every wake-up. */
for await (const _event of Deno.watchFs(Deno.args[0] ?? ".", { recursive: false })) {
  Deno.stdout.writeSync(new TextEncoder().encode("event\n"));
  Deno.exit(0);
}
