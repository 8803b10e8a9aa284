/**
 * A model of a disk whose power may be cut. It keeps what a program's system calls have left in the kernel's memory, and
 * which part of that was synced. Replaying a trace up to any call shows what a machine finds after a restart.
 */
import { bytesOf, type Call, openPath, pathOf } from "./trace.ts";

/** System calls that {@link Disk} needs. */
export const DISK_CALLS =
  "openat,creat,write,pwrite64,writev,copy_file_range,sendfile,rename,renameat,renameat2,link,linkat,symlink," +
  "symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,fsync,fdatasync,ftruncate,truncate";

/** A file's bytes, one character each. */
interface FileNode {
  bytes: string;
  /** Bytes at the last fsync; "" for a file that was never synced. */
  synced: string;
  mode: number;
  moved?: Moved;
}

interface LinkNode {
  target: string;
}

interface DirNode {
  entries: Map<string, Node>;
  synced: Map<string, Node>;
  moved?: Moved;
}

/** A node's last rename. */
interface Moved {
  from: Place;
  to: Place;
}

interface Place {
  dir: DirNode;
  name: string;
}

type Node = FileNode | LinkNode | DirNode;

/**
 * What a power cut keeps.
 *
 * - `synced`: only what was synced: a file's text by its own fsync, a name by that of its folder.
 * - `names`: every name, but only the synced part of each text, as on a file system that writes folders early and data
 *   late.
 */
export type Keeps = "synced" | "names";

/** Files by path below the root, with their bytes; folders end in a slash. */
export type Tree = Map<string, { bytes: string; mode: number }>;

const isDir = (node: Node | undefined): node is DirNode => node !== undefined && "entries" in node;
const isFile = (node: Node | undefined): node is FileNode => node !== undefined && "bytes" in node;

/** A folder of a disk, and everything below it. */
export class Disk {
  readonly #root: string;
  readonly #top: DirNode;

  /** Everything that is below `root` now counts as synced; `leaveOut` names entries to ignore. */
  constructor(root: string, leaveOut: readonly string[] = []) {
    this.#root = root;
    this.#top = load(root, leaveOut);
  }

  /** Applies a call; false if it changes nothing here. */
  apply(call: Call): boolean {
    if (call.result === undefined || call.result < 0) return false;
    const [a = "", b = "", c = "", d = ""] = call.args;
    switch (call.name) {
      case "openat":
        return this.#open(pathOf(b, a), c, d);
      case "creat":
        return this.#open(pathOf(a), "O_CREAT|O_TRUNC", b);
      case "write":
      case "writev":
      case "pwrite64":
        return this.#write(openPath(a), bytesOf(b).slice(0, call.result));
      case "copy_file_range":
        return this.#copy(openPath(a), openPath(c), call.result);
      case "sendfile":
        return this.#copy(openPath(b), openPath(a), call.result);
      case "rename":
        return this.#rename(pathOf(a), pathOf(b));
      case "renameat":
      case "renameat2":
        return this.#rename(pathOf(b, a), pathOf(d, c));
      case "link":
        return this.#put(pathOf(b), this.#at(pathOf(a)));
      case "linkat":
        return this.#put(pathOf(d, c), this.#at(pathOf(b, a)));
      case "symlink":
        return this.#put(pathOf(b), { target: bytesOf(a) });
      case "symlinkat":
        return this.#put(pathOf(c, b), { target: bytesOf(a) });
      case "unlink":
      case "rmdir":
        return this.#remove(pathOf(a));
      case "unlinkat":
        return this.#remove(pathOf(b, a));
      case "mkdir":
        return this.#put(pathOf(a), { entries: new Map(), synced: new Map() });
      case "mkdirat":
        return this.#put(pathOf(b, a), { entries: new Map(), synced: new Map() });
      case "fsync":
      case "fdatasync":
        return this.#sync(openPath(a));
      case "truncate":
        return this.#truncate(pathOf(a), Number(b));
      case "ftruncate":
        return this.#truncate(openPath(a), Number(b));
    }
    return false;
  }

  /** The files while the power is on. */
  live(): Tree {
    return this.#tree((dir) => dir.entries, (file) => file.bytes);
  }

  /** The files after a power cut now. A rename counts as one step, even if only one of its folders was synced. */
  afterCut(keeps: Keeps): Tree {
    if (keeps === "names") return this.#tree((dir) => dir.entries, (file) => file.synced);
    const kept = reachable(this.#top);
    return this.#tree(
      (dir) => new Map([...dir.synced].filter(([name, node]) => !hasMoved(dir, name, node, kept))),
      (file) => file.synced,
    );
  }

  /** Paths that a power cut now would change, each with the change; includes those that {@link afterCut} forgives. */
  unsynced(): string[] {
    const [live, kept] = [this.live(), this.#tree((dir) => dir.synced, (file) => file.synced)];
    const lost = [...live].flatMap(([path, { bytes }]) => {
      const after = kept.get(path);
      if (after === undefined) return [`${path} is gone`];
      return after.bytes === bytes ? [] : [`${path} is an earlier text`];
    });
    return [...lost, ...[...kept.keys()].filter((path) => !live.has(path)).map((path) => `${path} is back`)];
  }

  #tree(entriesOf: (dir: DirNode) => Map<string, Node>, textOf: (file: FileNode) => string): Tree {
    const tree: Tree = new Map();
    const walk = (dir: DirNode, prefix: string) => {
      for (const [name, node] of entriesOf(dir)) {
        const path = `${prefix}${name}`;
        if (isDir(node)) {
          tree.set(`${path}/`, { bytes: "", mode: 0o700 });
          walk(node, `${path}/`);
        } else if (isFile(node)) tree.set(path, { bytes: textOf(node), mode: node.mode });
      }
    };
    walk(this.#top, "");
    return tree;
  }

  #parts(path: string | undefined): string[] | undefined {
    if (path === this.#root) return [];
    if (path === undefined || !path.startsWith(`${this.#root}/`)) return undefined;
    return path.slice(this.#root.length + 1).split("/").filter((part) => part !== "" && part !== ".");
  }

  #at(path: string | undefined): Node | undefined {
    let node: Node | undefined = this.#top;
    const parts = this.#parts(path);
    if (parts === undefined) return undefined;
    for (const part of parts) node = isDir(node) ? node.entries.get(part) : undefined;
    return node;
  }

  #parent(path: string): Place | undefined {
    const parts = this.#parts(path);
    if (parts === undefined || parts.length === 0) return undefined;
    const dir = this.#at([this.#root, ...parts.slice(0, -1)].join("/"));
    return isDir(dir) ? { dir, name: parts.at(-1) ?? "" } : undefined;
  }

  #put(path: string, node: Node | undefined): boolean {
    const place = this.#parent(path);
    if (place === undefined || node === undefined) return false;
    place.dir.entries.set(place.name, node);
    return true;
  }

  #remove(path: string): boolean {
    const place = this.#parent(path);
    return place?.dir.entries.delete(place.name) ?? false;
  }

  #rename(from: string, to: string): boolean {
    const [source, target, node] = [this.#parent(from), this.#parent(to), this.#at(from)];
    if (source === undefined || target === undefined || node === undefined) return false;
    source.dir.entries.delete(source.name);
    target.dir.entries.set(target.name, node);
    if (!("target" in node)) node.moved = { from: source, to: target };
    return true;
  }

  #open(path: string, flags: string, mode: string): boolean {
    const node = this.#at(path);
    if (isFile(node) && /O_TRUNC/.test(flags) && /O_WRONLY|O_RDWR|O_CREAT/.test(flags)) {
      node.bytes = "";
      return true;
    }
    if (node !== undefined || !/O_CREAT/.test(flags) || /O_TMPFILE/.test(flags)) return false;
    return this.#put(path, { bytes: "", synced: "", mode: parseInt(mode, 8) });
  }

  /** Appends: looop only ever writes to the end of a file or into a new one. */
  #write(path: string | undefined, bytes: string): boolean {
    const node = this.#at(path);
    if (!isFile(node) || bytes === "") return false;
    node.bytes += bytes;
    return true;
  }

  #copy(from: string | undefined, to: string | undefined, count: number): boolean {
    const [source, target] = [this.#at(from), this.#at(to)];
    if (!isFile(target) || !isFile(source)) return false;
    target.bytes += source.bytes.slice(target.bytes.length, target.bytes.length + count);
    return true;
  }

  #truncate(path: string | undefined, size: number): boolean {
    const node = this.#at(path);
    if (!isFile(node)) return false;
    node.bytes = node.bytes.slice(0, size).padEnd(size, "\0");
    return true;
  }

  #sync(path: string | undefined): boolean {
    const node = this.#at(path);
    if (isDir(node)) node.synced = new Map(node.entries);
    else if (isFile(node)) node.synced = node.bytes;
    else return false;
    return true;
  }
}

/** Whether a synced name was taken away by a rename that is synced at its new place. */
function hasMoved(dir: DirNode, name: string, node: Node, kept: ReadonlySet<DirNode>): boolean {
  if ("target" in node || node.moved === undefined) return false;
  const { from, to } = node.moved;
  return from.dir === dir && from.name === name && kept.has(to.dir) && to.dir.synced.get(to.name) === node;
}

/** Folders whose names are synced up to the root. */
function reachable(top: DirNode, found = new Set<DirNode>()): Set<DirNode> {
  if (found.has(top)) return found;
  found.add(top);
  for (const node of top.synced.values()) if (isDir(node)) reachable(node, found);
  return found;
}

function load(path: string, leaveOut: readonly string[]): DirNode {
  const entries = new Map<string, Node>();
  for (const entry of Deno.readDirSync(path)) {
    if (leaveOut.includes(entry.name)) continue;
    const at = `${path}/${entry.name}`;
    if (entry.isDirectory) entries.set(entry.name, load(at, []));
    else if (entry.isSymlink) entries.set(entry.name, { target: Deno.readLinkSync(at) });
    else if (entry.isFile) {
      const bytes = binary(Deno.readFileSync(at));
      entries.set(entry.name, { bytes, synced: bytes, mode: (Deno.statSync(at).mode ?? 0) & 0o777 });
    }
  }
  return { entries, synced: new Map(entries) };
}

/** Bytes as one character each. */
export function binary(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 32_768) {
    text += String.fromCharCode(...bytes.subarray(i, i + 32_768));
  }
  return text;
}

/** Writes a tree's files and folders below `root`, which must exist. */
export function writeTree(tree: Tree, root: string): void {
  for (const [path, { bytes, mode }] of tree) {
    if (path.endsWith("/")) Deno.mkdirSync(`${root}/${path}`, { recursive: true, mode: 0o700 });
    else {Deno.writeFileSync(`${root}/${path}`, Uint8Array.from(bytes, (char) => char.charCodeAt(0)), {
        mode,
      });}
  }
}
