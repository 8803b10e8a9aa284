/**
 * `deno run -A reader.ts LAB`: reads every file of every profile of a lab over and over until its stdin ends, then prints
 * how many it has read and which were half written.
 */
import { faultIn, filesBelow, pause } from "./lab.ts";

const root = Deno.args[0] ?? "";
const half: string[] = [];
let reads = 0;
let open = true;
const buffer = new Uint8Array(16);
(async () => {
  while (await Deno.stdin.read(buffer) !== null);
  open = false;
})();

while (open) {
  for (const entry of Deno.readDirSync(root)) {
    for (const path of filesBelow(`${root}/${entry.name}/data dir`)) {
      let text: string;
      try {
        text = Deno.readTextFileSync(path);
      } catch {
        continue;
      }
      reads++;
      const fault = faultIn(path, text);
      if (fault !== undefined && half.length < 20) half.push(`${path} ${fault}`);
    }
  }
  await pause(5);
}
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify({ reads, half })));
