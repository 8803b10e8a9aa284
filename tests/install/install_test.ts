/** install.sh on throw-away machines: files on disk and messages after good and bad downloads. */
import { deepStrictEqual, match, strictEqual, throws } from "node:assert/strict";
import { asBash32 } from "../macos/bash32.ts";
import {
  ASSET,
  DENO,
  findTool,
  gzip,
  NEW,
  OLD,
  program,
  RELEASED,
  Sandbox,
  SHELLS,
  sumLine,
} from "./sandbox.ts";

/** Output of a good install of 0.1.0 into a folder outside PATH, with an unknown $SHELL. */
function goodReply(box: Sandbox, from = "latest/download"): string {
  return [
    `Downloading ${box.releaseUrl}/${from}/${ASSET}`,
    `Installed looop 0.1.0: ${box.target}`,
    `${box.dir} is not in PATH. Add it, then open a new terminal:`,
    `  echo 'export PATH="${box.dir}:$PATH"' >> ~/.profile`,
    'Next: "looop up" starts it (or moves a running one to this version); "looop demo" shows it at work.',
    "",
  ].join("\n");
}

for (const shell of SHELLS) {
  Deno.test(`given a release, when ${shell} runs install.sh, then looop is in place and the next step is said`, async () => {
    await using box = await Sandbox.create();
    await box.publish(NEW);
    deepStrictEqual(await box.run({ shell }), { code: 0, stdout: goodReply(box), stderr: "" });
    strictEqual(await Deno.readTextFile(box.target), NEW);
    strictEqual((await Deno.stat(box.target)).mode! & 0o777, 0o755);
    deepStrictEqual(await box.installed(), ["looop"]);
  });

  Deno.test(`given a release, when install.sh is piped into ${shell}, then looop is in place`, async () => {
    await using box = await Sandbox.create();
    await box.publish(NEW);
    const ended = await box.run({ shell, piped: RELEASED });
    deepStrictEqual(ended, { code: 0, stdout: goodReply(box), stderr: "" });
    strictEqual(await Deno.readTextFile(box.target), NEW);
  });
}

Deno.test("given macOS's bash 3.2, when it runs install.sh, then looop is in place as with any other shell", async () => {
  await using box = await Sandbox.create();
  await box.publish(NEW);
  const ended = await box.run({ shell: "bash --posix", script: asBash32(RELEASED) });
  deepStrictEqual(ended, { code: 0, stdout: goodReply(box), stderr: "" });
  strictEqual(await Deno.readTextFile(box.target), NEW);
});

for (const shell of ["bash --posix, as 3.2", ...SHELLS]) {
  Deno.test(`given a fault in install.sh itself, when ${shell} runs into it, then it does not exit 0 and leaves nothing`, async () => {
    await using box = await Sandbox.create();
    const faulty = RELEASED.replace("\n  find_platform\n", '\n  : "$no_such_variable"\n  find_platform\n');
    const script = shell.includes("3.2") ? asBash32(faulty) : faulty;
    const { code, stdout, stderr } = await box.run({ shell: shell.split(",")[0]!, script });
    deepStrictEqual([code > 0, stdout], [true, ""]);
    match(stderr, /no_such_variable/);
    deepStrictEqual(await box.installed(), []);
  });
}

/** Signals by which a person or a system ends a script, each with its exit status. */
const ENDINGS: [signal: Deno.Signal, code: number][] = [["SIGTERM", 143], ["SIGINT", 130], ["SIGHUP", 129]];

for (
  const [shell, signal, code] of SHELLS.flatMap((shell) =>
    ENDINGS.map((ending) => [shell, ...ending] as const)
  )
) {
  Deno.test(`given a stalled download, when ${shell} is ended by ${signal}, then the old looop is left and nothing else`, async () => {
    await using box = await Sandbox.create();
    await box.preinstall(OLD);
    await box.publish(NEW);
    const { reply, begun, hungUp } = stalled();
    box.files.set(`latest/download/${ASSET}`, reply);
    const child = box.spawn({ shell });
    await begun;
    child.kill(signal);
    strictEqual((await child.output()).code, code);
    await hungUp;
    strictEqual(await Deno.readTextFile(box.target), OLD);
    deepStrictEqual(await box.installed(), ["looop"]);
  });
}

Deno.test("given a build under way, when install.sh is ended, then the build ends with it", async () => {
  await using box = await Sandbox.create(["curl", "mkfifo", "sleep"]);
  await box.preinstall(OLD);
  await box.addCheckout();
  const fifo = `${box.root}/begun`;
  strictEqual((await new Deno.Command("mkfifo", { args: [fifo] }).output()).success, true);
  box.addTool("deno", `echo $$ >'${fifo}'; exec sleep 60`);
  const child = box.spawn();
  // Deno 2.4 would open the named pipe on its only thread, which also serves the release.
  const { stdout } = await new Deno.Command("cat", { args: [fifo] }).output();
  const builder = Number(new TextDecoder().decode(stdout));
  child.kill("SIGTERM");
  strictEqual((await child.output()).code, 143);
  throws(() => Deno.kill(builder, "SIGCONT"), Deno.errors.NotFound);
  deepStrictEqual(await box.installed(), ["looop"]);
});

/** A reply that stalls after its first part until `hangUp`; `begun` and `hungUp` resolve as the client asks and leaves. */
function stalled() {
  const begun = Promise.withResolvers<void>();
  const hungUp = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  const reply = () =>
    new Response(
      new ReadableStream<Uint8Array>({
        pull(controller) {
          controller.enqueue(new Uint8Array(100));
          begun.resolve();
          return end.promise.then(() => controller.close());
        },
        cancel() {
          hungUp.resolve();
          end.resolve();
        },
      }, { highWaterMark: 0 }),
    );
  return { reply, begun: begun.promise, hungUp: hungUp.promise, hangUp: () => end.resolve() };
}

Deno.test("given an install killed in the middle, when install.sh runs again, then its leftovers are gone", async () => {
  await using box = await Sandbox.create();
  await box.publish(NEW);
  const { reply, begun, hangUp } = stalled();
  box.files.set(`latest/download/${ASSET}`, reply);
  const child = box.spawn();
  await begun;
  child.kill("SIGKILL");
  // The shell was killed and could not end its children, so the server's reply ends the orphaned download.
  hangUp();
  strictEqual((await child.output()).signal, "SIGKILL");
  strictEqual((await box.installed()).length, 1, "the killed one could not tidy up");
  await box.publish(NEW);
  strictEqual((await box.run()).code, 0);
  deepStrictEqual(await box.installed(), ["looop"]);
});

Deno.test("given the old looop at work, when a new one is installed over it, then each keeps its own text", async () => {
  await using box = await Sandbox.create();
  // Shells read a script while they run it: if it were overwritten in place, the old run would end with the new text.
  const padding = `# ${"-".repeat(60)}\n`.repeat(2_000);
  const held = (version: string) => program(version, `echo ready\nread -r _\n${padding}echo ${version}\n`);
  await box.preinstall(held("0.0.9"));
  const old = new Deno.Command(box.target, { stdin: "piped", stdout: "piped" }).spawn();
  const output = old.stdout.pipeThrough(new TextDecoderStream()).getReader();
  strictEqual((await output.read()).value, "ready\n");
  await box.publish(held("0.1.0"));
  deepStrictEqual(await box.run(), { code: 0, stdout: goodReply(box), stderr: "" });
  const input = old.stdin.getWriter();
  await input.write(new TextEncoder().encode("go\n"));
  await input.close();
  strictEqual((await output.read()).value, "0.0.9\n");
  await output.cancel();
  strictEqual((await old.status).code, 0);
  strictEqual(await Deno.readTextFile(box.target), held("0.1.0"));
});

/** Downloads after which the script must fail: a fallback would hide a broken release. */
const BAD_DOWNLOADS: Record<
  string,
  { tools?: string[]; spoil: (box: Sandbox) => Promise<void>; says: RegExp }
> = {
  "a wrong checksum": {
    spoil: async (box) => {
      const other = await gzip(program("6.6.6"));
      box.files.set(`latest/download/${ASSET}`, other);
    },
    says:
      /^install\.sh: Wrong checksum: looop-.*\.gz is [0-9a-f]{64}, SHA256SUMS says [0-9a-f]{64}; nothing was changed/,
  },
  "a download cut off by curl's count": {
    spoil: (box) => cutOff(box),
    says: /install\.sh: The download of http.*\.gz broke off; nothing was changed/,
  },
  "a download cut off by wget's count": {
    tools: ["wget", "sha256sum", "shasum"],
    spoil: (box) => cutOff(box),
    says: /install\.sh: The download of http.*\.gz broke off; nothing was changed/,
  },
  "a file that ends early without notice": {
    spoil: async (box) => {
      const packed = await gzip(NEW);
      box.files.set(`latest/download/${ASSET}`, packed.slice(0, packed.length / 2));
    },
    says: /^install\.sh: Wrong checksum/,
  },
  "a login page in place of the checksums": {
    spoil: (box) =>
      Promise.resolve(void box.files.set("latest/download/SHA256SUMS", "<html>Sign in</html>\n")),
    says: /SHA256SUMS is not a list of checksums/,
  },
  "empty checksums": {
    spoil: (box) => Promise.resolve(void box.files.set("latest/download/SHA256SUMS", "")),
    says: /SHA256SUMS is not a list of checksums/,
  },
  "a verified file that is no gzip": {
    spoil: async (box) => {
      const junk = new Uint8Array(4);
      box.files.set(`latest/download/${ASSET}`, junk);
      box.files.set("latest/download/SHA256SUMS", await sumLine(junk, ASSET));
    },
    says: /install\.sh: Cannot unpack looop-.*\.gz with gzip/,
  },
  "a program that does not start here": {
    spoil: (box) => box.publish("#!/bin/sh\necho 'libm.so.6: version GLIBC_9 not found' >&2\nexit 1\n"),
    says: /^libm\.so\.6: version GLIBC_9 not found\ninstall\.sh: The release does not run on this machine/,
  },
};

/** Redirects, as GitHub does, to a server that announces the whole length, sends half and hangs up. */
async function cutOff(box: Sandbox): Promise<void> {
  const packed = await gzip(NEW);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    for await (const connection of listener) {
      await connection.read(new Uint8Array(4096));
      const head = `HTTP/1.1 200 OK\r\ncontent-length: ${packed.length}\r\n\r\n`;
      await connection.write(new TextEncoder().encode(head));
      await connection.write(packed.slice(0, packed.length / 2));
      connection.close();
    }
  })();
  box.files.set(
    `latest/download/${ASSET}`,
    () => Response.redirect(`http://127.0.0.1:${listener.addr.port}/${ASSET}`),
  );
  box.atEnd(async () => {
    listener.close();
    await serving;
  });
}

for (const [name, { tools, spoil, says }] of Object.entries(BAD_DOWNLOADS)) {
  const missing = tools?.[0] !== undefined && findTool(tools[0]) === undefined;
  Deno.test({
    name: `given ${name}, when install.sh runs, then it fails, the old looop stays and no fallback is taken`,
    ignore: missing,
    fn: async () => {
      await using box = await Sandbox.create(tools);
      await box.preinstall(OLD);
      box.addTool("deno", DENO);
      await box.addCheckout();
      await box.publish(NEW);
      await spoil(box);
      const ended = await box.run();
      strictEqual(ended.code, 1);
      match(ended.stderr, says);
      strictEqual(await Deno.readTextFile(box.target), OLD);
      deepStrictEqual(await box.installed(), ["looop"]);
      deepStrictEqual(await box.calls(), []);
    },
  });
}
