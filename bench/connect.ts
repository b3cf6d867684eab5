// Measures how long many breakers of one client take to connect, and the CPU time of server and client. The breakers
// are created at once, and one after the other; the service has none of them, or all of them. It starts a server of its
// own.
//
// npm run bench:connect [-- --count 3000] [--beside /path/to/another/helios] [--rounds 3]
//
// --beside: alternates with another working copy. A busy machine changes the elapsed times, but hardly the CPU seconds.
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { table } from "./swap/figures.ts";

type Client = typeof import("../clients/typescript/src/index.ts");
type Servers = typeof import("../scripts/demo/server.ts");

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "3000" },
    rounds: { type: "string", default: "1" },
    beside: { type: "string" },
  },
});
const count = Number(values.count);
const HERE = resolve(import.meta.dirname, "..");

/** User and system time of a process so far, in s. Only on Linux. */
async function cpuOf(pid: number | undefined): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The fields after the program's name, which may contain any character.
  const [user = Number.NaN, system = Number.NaN] = text
    .slice(text.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13)
    .map(Number);
  const ticks = 100;
  return (user + system) / ticks;
}

const MANNERS = [
  ["new, at once", "a", 0],
  ["there, at once", "a", 0],
  ["new, one by one for 2 s", "b", 2000],
  ["there, one by one for 2 s", "b", 2000],
] as const;

async function measure(root: string): Promise<string[][]> {
  const load = (path: string): Promise<unknown> => import(pathToFileURL(join(root, path)).href);
  const { createBreakers, createHeliosClient } = (await load("clients/typescript/src/index.ts")) as Client;
  const server = await ((await load("scripts/demo/server.ts")) as Servers).startOwnServer();
  const rows: string[][] = [];
  try {
    for (const [manner, prefix, spreadMs] of MANNERS) {
      const client = createHeliosClient({ baseUrl: server.baseUrl });
      const breakers = createBreakers(client);
      const [start, before, own] = [performance.now(), await cpuOf(server.process.pid), process.cpuUsage()];
      const ready: Promise<boolean>[] = [];
      for (let index = 0; index < count; index += 1) {
        ready.push(breakers.breaker(`${prefix}-${index}`).ready(120_000));
        const due = start + (spreadMs * index) / count;
        if (spreadMs > 0 && performance.now() < due) await new Promise((next) => setTimeout(next, 1));
      }
      const connected = (await Promise.all(ready)).filter(Boolean).length;
      const seconds = (performance.now() - start) / 1000;
      const { user, system } = process.cpuUsage(own);
      const [ofClient, ofServer] = [(user + system) / 1e6, (await cpuOf(server.process.pid)) - before];
      rows.push([
        root === HERE ? "here" : root,
        manner,
        String(connected),
        ...[seconds, ofClient, ofServer].map((one) => one.toFixed(2)),
      ]);
      await breakers.close();
      client.close();
    }
  } finally {
    await server.stop();
  }
  return rows;
}

const rows: string[][] = [];
for (let round = 0; round < Number(values.rounds); round += 1) {
  for (const root of [HERE, ...(values.beside === undefined ? [] : [resolve(values.beside)])])
    rows.push(...(await measure(root)));
}
process.stdout.write(`${table([["", "", "connected", "s", "client, CPU s", "server, CPU s"], ...rows])}\n`);
