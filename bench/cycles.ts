// Loads and unloads a module repeatedly, then swaps one repeatedly, and prints the resources held meanwhile. All of
// them must reach a plateau. CYCLES (default 200) sets the number of cycles, ISOLATION (default PROCESS) where the
// module runs.
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createEngine, type Engine, type Isolation } from "../src/core/index.ts";

const EVERY = 50;
const cycles = Number(process.env.CYCLES ?? 200);
const isolation: Isolation = process.env.ISOLATION === "THREAD" ? "THREAD" : "PROCESS";

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as () => void;
const print = (cells: readonly unknown[]): void => {
  process.stdout.write(`${cells.map((cell) => String(cell).padStart(10)).join("")}\n`);
};

const directory = await mkdtemp(join(tmpdir(), "helios-cycles-"));
const [modulesRoot, dataDir] = [directory, join(directory, "data")];
const source = (version: number): string => `export default class Counter {
  static version = "${version}";
  #count = 0;
  increment() { return ++this.#count; }
  exportState() { return this.#count; }
  importState(count) { this.#count = count; }
}`;
for (const version of [1, 2]) await writeFile(join(modulesRoot, `v${version}.js`), source(version));
const engine = await createEngine({ modulesRoot, dataDir });
try {
  process.stdout.write(`${cycles} cycles in a ${isolation}\n`);
  await engine.modules.register("counter", { modulePath: "v1", isolation });
  await measure("load and unload", engine, async () => {
    await engine.modules.load("counter");
    await increment(1);
    await engine.modules.unload("counter");
  });
  await engine.modules.load("counter");
  let count = 0;
  await measure("swap", engine, async (cycle) => {
    const { swapped, failure } = await engine.modules.swap("counter", {
      newVersionPath: cycle % 2 === 0 ? "v2" : "v1",
    });
    if (!swapped) throw new Error(`cycle ${cycle}: ${failure}`);
    count += 1;
    await increment(count);
  });
} finally {
  await engine.close();
  await rm(directory, { recursive: true, force: true });
}

/** The module's answer shows whether it has just started, or has its predecessor's state. */
async function increment(expected: number): Promise<void> {
  const { output } = await engine.modules.invoke("counter", "increment", { json: null });
  const actual = "json" in output ? output.json : undefined;
  if (actual !== expected) throw new Error(`the count is ${String(actual)} instead of ${expected}`);
}

async function measure(what: string, of: Engine, once: (cycle: number) => Promise<void>): Promise<void> {
  process.stdout.write(`\n${what}\n`);
  print(["cycles", "ms each", "heap MB", "rss MB", "handles", "fds", "children", "artifacts", "keys"]);
  print([0, "", ...(await held(of))]);
  let start = performance.now();
  for (let cycle = 0; cycle < cycles; cycle += 1) {
    await once(cycle);
    if ((cycle + 1) % EVERY !== 0) continue;
    const each = (performance.now() - start) / EVERY;
    print([cycle + 1, each.toFixed(1), ...(await held(of))]);
    start = performance.now();
  }
}

async function held({ store }: Engine): Promise<readonly unknown[]> {
  // The resources of an instance that has just ended are released in the next turns of the event loop.
  for (let turn = 0; turn < 3; turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    gc();
  }
  const { heapUsed, rss } = process.memoryUsage();
  const { entries } = await store.list("");
  return [
    (heapUsed / 1e6).toFixed(2),
    (rss / 1e6).toFixed(1),
    process.getActiveResourcesInfo().length,
    (await readdir("/proc/self/fd")).length,
    await children(),
    await artifacts(dataDir),
    entries.length,
  ];
}

async function children(): Promise<number> {
  const threads = await readdir("/proc/self/task");
  const lists = await Promise.all(
    threads.map((id) => readFile(`/proc/self/task/${id}/children`, "utf8").catch(() => "")),
  );
  return lists
    .join(" ")
    .split(" ")
    .filter((pid) => pid !== "").length;
}

async function artifacts(dir: string): Promise<number> {
  const files = await readdir(dir, { recursive: true, withFileTypes: true });
  return files.filter((file) => file.isFile() && /artifact/.test(file.parentPath)).length;
}
