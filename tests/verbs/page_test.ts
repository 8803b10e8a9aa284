import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { quietStat } from "../../lib/store.ts";
import { testProfile } from "../looop.ts";

/** Hostile text that an agent may write into a question. */
const HOSTILE =
  `<script>document.title = "run"</script></style><img src=x onerror="document.title='run'">\u202eevil`;

Deno.test("given workers, questions and hostile texts, when the page is written, then it is one inert file that has them", async () => {
  await using p = await testProfile();
  await p.ok("_", "goal", "write", "ship", "# Ship <b>1.0</b>");
  await Deno.mkdir(`${p.profile.dir}/asks`, { recursive: true });
  const ask = (id: string, prompt: string) =>
    Deno.writeTextFile(
      `${p.profile.dir}/asks/${id}.json`,
      JSON.stringify({ v: 1, id, worker: id.slice(0, -2), prompt, ts: 1_700_000_000, gen: "" }),
    );
  await ask("w1-1", HOSTILE);
  await ask("w2-1", "x".repeat(20_000));
  const now = new Date().toISOString().slice(0, 19);
  await Deno.writeTextFile(
    `${p.profile.dir}/events.jsonl`,
    `${JSON.stringify({ ts: `${now}Z`, event: "worker_started", id: "w1", runner: "pi" })}\nnot JSON\n`,
  );
  const printed = await p.ok("page");
  const file = printed.trim();
  strictEqual(file, `${p.profile.dir}/reports/looop.html`);
  const html = await Deno.readTextFile(file);
  ok(!/<script|<img/.test(html), "markup of an agent");
  ok(!html.includes("\u202e"));
  match(html, /&lt;script&gt;/);
  match(html, /default-src 'none'/);
  match(html, /Ship &lt;b&gt;1\.0/);
  match(html, /w1 \(pi\): running/);
  ok(!/(src|href)="(https?:)?\/\//.test(html), "something from elsewhere");
});

Deno.test("given runs of many days, when the page of one day is written, then runs that had not ended before it are there, once each", async () => {
  await using p = await testProfile();
  const day = (ago: number) => new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 19) + "Z";
  const event = (ago: number, event: string, id: string) =>
    JSON.stringify({ ts: day(ago), event, id, ...(event === "worker_ended" ? { state: "killed" } : {}) });
  const lines = [
    event(9, "worker_started", "still"),
    event(8, "worker_started", "over"),
    event(7, "worker_ended", "over"),
    event(3, "worker_started", "late"),
    event(2, "worker_started", "again"),
    event(2, "worker_started", "again"),
    event(0.5, "worker_ended", "late"),
  ];
  await Deno.mkdir(p.profile.dir, { recursive: true });
  await Deno.writeTextFile(p.profile.events, `${lines.join("\n")}\n`);
  const rows = lines.flatMap((
    _,
    n,
  ) => [`{"ts":"${day(40 - n)}","id":"w","runner":"pi","kind":"s","cost_usd":1}`]);
  await Deno.writeTextFile(p.profile.cost, `${rows.join("\n")}\n`);
  const file = `${p.base}/page.html`;
  await p.ok("page", file, "--days", "1");
  const titles = (await Deno.readTextFile(file)).match(/<title>\w+ \(.*?\): \w+/g);
  deepStrictEqual(titles?.map((title) => title.replace(/<title>| \(.*\)/g, "")), [
    "still: running",
    "late: killed",
    "again: running",
  ]);
});

/** Debian's Chromium, where it is installed. */
const BROWSER = ["chromium", "chromium-browser", "google-chrome"].map((name) => `/usr/bin/${name}`)
  .find((path) => quietStat(path)?.isFile === true);

Deno.test({
  name: "given a browser, when the page with a hostile question is opened, then nothing of it runs",
  ignore: BROWSER === undefined,
  fn: opensInert,
});

async function opensInert(): Promise<void> {
  await using p = await testProfile();
  await p.ok("_", "goal", "write", "ship", HOSTILE);
  const file = `${p.base}/page.html`;
  strictEqual((await p.ok("page", file, "--days", "30")).trim(), file);
  const { stdout } = await new Deno.Command(BROWSER as string, {
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      `--user-data-dir=${p.base}/browser`,
      "--virtual-time-budget=2000",
      "--dump-dom",
      `file://${file}`,
    ],
    stdin: "null",
    stderr: "null",
  }).output();
  const dom = new TextDecoder().decode(stdout);
  match(dom, /<h1>looop · /);
  ok(!dom.includes("<title>run</title>"));
  ok(!/<script/.test(dom));
}

Deno.test("given a page that is watched, when the world changes, then it is written again, and a signal ends it", async () => {
  await using p = await testProfile();
  const file = `${p.base}/page.html`;
  using running = p.start(["page", file, "--watch"]);
  await p.until("the page is there", () => Deno.stat(file).then(() => true, () => false));
  await p.ok("_", "goal", "write", "later", "# A later goal");
  await p.until(
    "the page has the goal",
    async () => (await Deno.readTextFile(file)).includes("A later goal"),
  );
  running.kill("SIGTERM");
  ok((await running.result).code <= 143);
});
