// Proves that the client as it is published ends no process that uses it, on each version of Node that it is for: every
// way in which connections and servers end, under loops that try again at once. Usage: npm run test:nodes [-- version…]
// The versions come from the package registry, once, into the cache directory of the user.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type OwnServer, startOwnServer } from "../../scripts/demo/server.ts";
import { type Fate, type Front, garbage, goaways, resets, startFront } from "./front.ts";
import { type Survivor, startSurvivor, survives } from "./survivor.ts";

const VERSIONS = ["20.20.2", "22.23.3", "24.21.0"];
const CLIENT = new URL("../../clients/typescript/dist/clients/typescript/src/index.js", import.meta.url).href;
/** Longer than a connection may be silent and then take to answer a ping: it is given up. */
const STOPPED_MS = 12_000;
const OPTIONS: readonly object[] = [
  {},
  { protocol: "grpc-web" },
  { protocol: "connect" },
  { protocol: "connect", httpVersion: "1.1" },
];

/** The program of that version. */
function nodeOf(version: string): string {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  const directory = join(cache, "helios", `node-${version}-${process.platform}-${process.arch}`);
  const program = join(directory, "node_modules/.bin/node");
  if (!existsSync(join(directory, "complete"))) {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "package.json"), JSON.stringify({ private: true, allowScripts: { node: true } }));
    execFileSync("npm", ["install", "--no-audit", "--no-fund", "--silent", `node@${version}`], { cwd: directory });
    writeFileSync(join(directory, "complete"), "");
  }
  const found = execFileSync(program, ["--version"], { encoding: "utf8" }).trim();
  if (found !== `v${version}`) throw new Error(`${program} is ${found}, not v${version}`);
  return program;
}

let server: OwnServer;
const front: Front = await startFront(() => Number(new URL(server.baseUrl).port));

async function proved(what: string, prove: () => Promise<void>): Promise<void> {
  const start = performance.now();
  await prove();
  process.stdout.write(`  ${what}: ${Math.round(performance.now() - start)} ms\n`);
}

async function ended(survivor: Survivor): Promise<void> {
  const { code, signal, errors } = await survivor.end();
  if (code !== 0 || errors !== "") throw new Error(`the process ended with ${code ?? signal}: ${errors}`);
}

async function restarted(survivors: readonly Survivor[], signal: "SIGKILL" | "SIGTERM"): Promise<void> {
  const exited = once(server.process, "exit");
  server.process.kill(signal);
  await exited;
  await server.stop();
  for (const survivor of survivors) await survivor.done();
  server = await startOwnServer();
  for (const survivor of survivors) await survivor.works();
}

/** What happens to connections, to each of the ways to talk. */
async function provesFates(node: string): Promise<void> {
  for (const options of OPTIONS) {
    const http1 = "httpVersion" in options;
    const kinds: Readonly<Record<string, readonly Fate[]>> = {
      goaways: http1 ? [] : goaways(),
      resets: http1 ? resets(23, 2300).filter(({ kind }) => kind === "reset") : resets(),
      // What is read is the same whatever is said over it. Node 20 notices some of it by the ping alone, after 10 s.
      garbage: Object.keys(options).length === 0 ? garbage() : [],
      silence: [
        { kind: "silent", ms: 300 },
        { kind: "silent", ms: 50 },
        { kind: "silent", ms: 0 },
      ],
    };
    for (const [kind, fates] of Object.entries(kinds)) {
      if (fates.length === 0) continue;
      await proved(`${JSON.stringify(options)} ${fates.length} ${kind}`, () =>
        survives(front, fates, startSurvivor(node, CLIENT, front.baseUrl, options), 60_000),
      );
    }
  }
}

/** What happens to servers, to all versions at once. */
async function provesServers(nodes: readonly string[]): Promise<void> {
  const survivors = nodes.map((node) => startSurvivor(node, CLIENT, front.baseUrl));
  try {
    for (const survivor of survivors) await survivor.works();
    for (const signal of ["SIGKILL", "SIGTERM", "SIGKILL", "SIGTERM"] as const)
      await proved(signal, () => restarted(survivors, signal));
    await proved(`SIGSTOP for ${STOPPED_MS} ms, SIGCONT`, async () => {
      server.process.kill("SIGSTOP");
      await pause(STOPPED_MS);
      for (const survivor of survivors) await survivor.done();
      server.process.kill("SIGCONT");
      for (const survivor of survivors) await survivor.works();
    });
    await proved("SIGSTOP, SIGKILL", async () => {
      server.process.kill("SIGSTOP");
      await pause(500);
      await restarted(survivors, "SIGKILL");
    });
    // The end comes while nobody serves.
    server.process.kill("SIGKILL");
    await proved("close() while the server is gone", async () => {
      await Promise.all(survivors.map(ended));
    });
  } catch (error) {
    for (const survivor of survivors) survivor.kill();
    throw error;
  }
}

execFileSync("npm", ["run", "--silent", "build:client"], { stdio: "inherit" });
const asked = process.argv.slice(2);
const nodes = (asked.length > 0 ? asked : VERSIONS).map(nodeOf);
if (asked.length === 0) nodes.push(process.execPath);
server = await startOwnServer();
try {
  for (const node of nodes) {
    process.stdout.write(`Node ${execFileSync(node, ["--version"], { encoding: "utf8" }).trim()}\n`);
    await provesFates(node);
  }
  process.stdout.write("All of them\n");
  await provesServers(nodes);
} finally {
  await front.close();
  await server.stop();
}
