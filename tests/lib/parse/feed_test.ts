/** Feeds of every format, the parts of their entries, and parts that cannot be read. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { parseFeed } from "../../../lib/parse/feed.ts";

const rss = (items: string, more = "") =>
  `<?xml version="1.0"?>\n<rss version="2.0"${more}><channel><title>News</title>\n${items}\n</channel></rss>\n`;
const item = (n: number, more = "") => `<item><guid>g${n}</guid><title>t${n}</title>${more}</item>`;
const ids = async (text: string) => (await parseFeed(text))!.entries.map(({ id }) => id);
const first = async (text: string) => (await parseFeed(text))!.entries[0]!;

Deno.test("given RSS 2.0, when it is read, then an entry has all its parts as plain text", async () => {
  deepStrictEqual(
    await parseFeed(rss(
      `<item><media:title>not this</media:title><title><![CDATA[One <b>bold</b> & "two"\nlines]]></title>
<link>https://n.example/?a=1&amp;b=2</link><guid isPermaLink="false">g1</guid><pubDate>Mon, 05 Jan 2026 01:00:00 +0100</pubDate>
<description>&lt;p&gt;caf&#233; &#x1F692;&lt;/p&gt;&lt;script&gt;x()&lt;/script&gt;</description></item>`,
      ' xmlns:media="http://search.yahoo.com/mrss/"',
    )),
    {
      format: "rss",
      title: "News",
      entries: [{
        id: "g1",
        title: 'One bold & "two" lines',
        link: "https://n.example/?a=1&b=2",
        date: "2026-01-05T00:00:00Z",
        text: "café 🚒",
      }],
      bad: [],
    },
  );
});

Deno.test("given Atom, also with a prefix of its own, when it is read, then it links the page and the first date counts", async () => {
  const atom = `<feed xmlns="http://www.w3.org/2005/Atom"><title>News</title><entry><id>tag:1</id>
<title>1 &lt; 2 &amp; 3</title><link rel="edit" href="https://n.example/edit"/><link rel="enclosure" href="https://n.example/x.mp3"/>
<link href="https://n.example/1"/><published>2026-01-05T00:00:00Z</published><updated>2026-02-05T00:00:00Z</updated>
<summary type="html">&lt;b&gt;x&lt;/b&gt;</summary></entry></feed>`;
  const expected = {
    id: "tag:1",
    title: "1 < 2 & 3",
    link: "https://n.example/1",
    date: "2026-01-05T00:00:00Z",
    text: "x",
  };
  deepStrictEqual(await first(atom), expected);
  const prefixed = atom.replace(/<(\/?)(?=[a-z])/g, "<$1a:").replace("xmlns=", "xmlns:a=");
  deepStrictEqual(await first(prefixed), expected);
});

Deno.test("given RDF, RSS 0.91, Atom 0.3 and JSON Feed, when they are read, then each format is recognized", async () => {
  const rdf =
    `<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:s="http://purl.org/rss/1.0/"><s:channel><s:title>N</s:title></s:channel>
<s:item r:about="https://n.example/1"><s:title>One</s:title><s:link>https://n.example/1</s:link></s:item></r:RDF>`;
  const old =
    `<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://my.netscape.com/publish/formats/rss-0.91.dtd">
<rss version="0.91"><channel><title>N</title><item><title>caf&eacute;</title><link>https://n.example/1</link></item></channel></rss>`;
  const atom =
    `<feed version="0.3" xmlns="http://purl.org/atom/ns#"><entry><id>1</id><title>x</title><issued>2026-01-05T00:00:00Z</issued></entry></feed>`;
  const json = JSON.stringify({
    version: "https://jsonfeed.org/version/1.1",
    title: "N",
    items: [{
      id: 7,
      url: "https://n.example/7",
      content_html: "<p>x</p>",
      date_published: "2026-01-05T00:00:00Z",
    }],
  });
  const seen = await Promise.all([rdf, old, atom, json].map(async (text) => (await parseFeed(text))!));
  deepStrictEqual(seen.map(({ format }) => format), ["rdf", "rss", "atom", "json"]);
  deepStrictEqual(seen.map(({ entries }) => entries[0]!.id), [
    "https://n.example/1",
    "https://n.example/1",
    "1",
    "7",
  ]);
  deepStrictEqual(seen.map(({ bad }) => bad), [[], [], [], []]);
  strictEqual(seen[1]!.entries[0]!.title, "café");
});

Deno.test("given Atom's elements within RSS, when it is read, then they count", async () => {
  const text = rss(
    `<item><guid isPermaLink="false">1</guid><title>t</title><a10:updated>2026-01-05T00:00:00Z</a10:updated><a10:link href="https://n.example/a"/></item>`,
    ' xmlns:a10="http://www.w3.org/2005/Atom"',
  );
  const { link, date } = await first(text);
  deepStrictEqual({ link, date }, { link: "https://n.example/a", date: "2026-01-05T00:00:00Z" });
});

Deno.test("given entries that share one guid or have none, when they are read, then each has an id of its own", async () => {
  const same = ["a", "b"].map((title) => `<item><guid>same</guid><title>${title}</title></item>`).join("");
  deepStrictEqual(await ids(rss(same)), ["same a", "same b"]);
  deepStrictEqual(
    await ids(
      rss("<item><title>only a title</title></item><item><description>only text</description></item>"),
    ),
    [
      "only a title",
      "only text",
    ],
  );
});

Deno.test("given the oldest entry first, when it is read, then the newest is first; without dates the order stays", async () => {
  const dated = [1, 2, 3].map((n) => item(n, `<pubDate>0${n} Jan 2026 00:00:00 GMT</pubDate>`)).join("");
  deepStrictEqual(await ids(rss(dated)), ["g3", "g2", "g1"]);
  deepStrictEqual(await ids(rss([1, 2, 3].map((n) => item(n)).join(""))), ["g1", "g2", "g3"]);
});

Deno.test("given dates in the forms that feeds have, when they are read, then they are UTC, or stay as they are written", async () => {
  const dates: [string, string][] = [
    ["Mon, 05 Jan 2026 10:00:00 EST", "2026-01-05T15:00:00Z"],
    ["Mon, 05 Jan 2026 10:00:00 CET", "2026-01-05T09:00:00Z"],
    ["5 Jan 26 10:00 +0200", "2026-01-05T08:00:00Z"],
    ["Mon, 05 Jan 2026 10:00:00", "2026-01-05T10:00:00Z"],
    ["2026-01-05T10:00:00", "2026-01-05T10:00:00Z"],
    ["2026-01-05 10:00:00", "2026-01-05T10:00:00Z"],
    ["2026-01-05", "2026-01-05"],
    ["Montag, 5. Jänner, 10 Uhr", "Montag, 5. Jänner, 10 Uhr"],
    ["issue 12", "issue 12"],
  ];
  for (const [written, expected] of dates) {
    strictEqual((await first(rss(item(1, `<pubDate>${written}</pubDate>`)))).date, expected);
  }
});

Deno.test("given an entry that is empty or not well-formed, when a feed is read, then only that entry is lost", async () => {
  const text = rss([item(1), "<item/>", "<item><title>open<guid>x</guid></item>", item(2)].join("\n"));
  const { entries, bad } = (await parseFeed(text))!;
  deepStrictEqual(entries.map(({ id }) => id), ["g1", "g2"]);
  deepStrictEqual(bad.map(({ line }) => line), [4, 5]);
  match(bad[1]!.reason, /^<item> is empty or not well-formed: "open x"$/);
});

Deno.test("given junk among the entries of a JSON Feed, when it is read, then it is named with its line", async () => {
  const text =
    `{"version": "https://jsonfeed.org/version/1.1", "title": "N", "items": [\n{"id": "1"},\nnull,\n"x",\n{"id": "2"}]}`;
  const { entries, bad } = (await parseFeed(text))!;
  deepStrictEqual(entries.map(({ id }) => id), ["1", "2"]);
  deepStrictEqual(bad.map(({ line }) => line), [3, 4]);
});

Deno.test("given a feed cut off in transfer, when it is read, then whole entries count and the cut is named", async () => {
  const whole = rss([item(1), item(2), item(3)].join("\n"));
  for (const end of [whole.indexOf("t3"), whole.indexOf("</channel>")]) {
    const { entries, bad } = (await parseFeed(whole.slice(0, end)))!;
    deepStrictEqual(entries.map(({ id }) => id), ["g1", "g2", "g3"].slice(0, entries.length));
    strictEqual(bad.some(({ reason }) => reason === "the file ends before </rss>"), true);
  }
});

Deno.test("given tags in comments and CDATA, when a feed is read, then they are no entries", async () => {
  const text = rss(
    `<!-- <item><guid>no</guid></item> -->${
      item(1, "<description><![CDATA[<item><guid>no</guid></item>]]></description>")
    }<item/>`,
  );
  const { entries, bad } = (await parseFeed(text))!;
  deepStrictEqual(entries.map(({ id }) => id), ["g1"]);
  strictEqual(bad.length, 1);
});

Deno.test("given entities that would grow without bound, when a feed is read, then reading ends and they are not expanded", async () => {
  const levels = Array.from({ length: 12 }, (_, n) => `<!ENTITY l${n + 1} "${`&l${n};`.repeat(10)}">`).join(
    "",
  );
  const text = `<!DOCTYPE rss [<!ENTITY l0 "lol">${levels}]>${
    rss("<item><title>&l12;</title><guid>1</guid></item>").slice(22)
  }`;
  strictEqual((await ids(text)).length, 1);
});

Deno.test("given a web page, JSON of another kind, or nothing, when it is read, then it is no feed", async () => {
  for (const text of ["<!doctype html><title>Log in</title>", '{"error":"x"}', "{", "", "hello"]) {
    strictEqual(await parseFeed(text), undefined, text);
  }
});

Deno.test("given a link without its host, when a feed is read, then it is completed by the feed's own", async () => {
  const text = rss(`<link>https://n.example/blog/</link><item><title>x</title><link>/post/1</link></item>`);
  strictEqual((await first(text)).link, "https://n.example/post/1");
});
