// Proves that the published client ends no process that uses it, on each supported version of Node: with every
// way in which connections and servers end, under loops that retry at once. It also proves that every pending promise keeps the
// process alive until it is settled, and that nothing else does. Usage: npm run test:nodes [-- version…]
// The versions are downloaded from the package registry, once, into the cache directory of the user.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type OwnServer, startOwnServer } from "../../scripts/demo/server.ts";
import { type Fate, type Front, garbage, goaways, resets, startFront } from "./front.ts";
import { type Survivor, startSurvivor, survives } from "./survivor.ts";
import { waitForAll } from "./waits.ts";

const VERSIONS = ["20.20.2", "22.23.3", "24.21.0"];
const CLIENT = new URL("../../clients/typescript/dist/index.js", import.meta.url).href;
/** The number of concurrent proofs, besides that of the servers. */
const LANES = 2;
/** The time after which a process counts as stuck. The machine may be busy. */
const PATIENCE_MS = 60_000;
/** Longer than a connection may be silent and then take to answer a ping, after which it is given up. */
const STOPPED_MS = 12_000;
const OPTIONS: readonly object[] = [
  {},
  { protocol: "grpc-web" },
  { protocol: "connect" },
  { protocol: "connect", httpVersion: "1.1" },
];

/** The executable of that version. */
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

const portOf = ({ baseUrl }: OwnServer): number => Number(new URL(baseUrl).port);

async function proved(what: string, prove: () => Promise<void>): Promise<void> {
  const start = performance.now();
  await prove();
  process.stdout.write(`${what}: ${Math.round(performance.now() - start)} ms\n`);
}

/** Takes one of `every` items. */
const some = (fates: readonly Fate[], every: number): Fate[] => fates.filter((_, index) => index % every === 1);

/** The disturbances for one protocol. Connections end in the same ways under every protocol, so few are enough for most. */
function fatesOf(options: object): Readonly<Record<string, readonly Fate[]>> {
  const silence: Fate[] = [300, 50, 0].map((ms) => ({ kind: "silent", ms }));
  if ("httpVersion" in options)
    return { ends: [...resets(46, 2300).filter(({ kind }) => kind === "reset"), ...silence] };
  if (Object.keys(options).length > 0) return { ends: [...some(goaways(), 5), ...some(resets(), 5), ...silence] };
  // Node 20 notices some of the garbage only by the ping, after 10 s.
  return { garbage: garbage(), goaways: goaways(), ends: [...resets(), ...silence] };
}

/** Every protocol, and every promise that a user may wait for. */
function proofsOf(version: string, node: string, server: OwnServer): (() => Promise<void>)[] {
  const waits = (): Promise<void> =>
    proved(`${version} waits`, async () => {
      const { lost, code, errors } = await waitForAll(node, CLIENT);
      if (lost.length > 0 || code !== 0 || errors !== "") throw new Error(`${lost.join("\n")}\n${code} ${errors}`);
    });
  const outlived = async (fates: readonly Fate[], options: object): Promise<void> => {
    const front = await startFront(() => portOf(server));
    await survives(front, fates, startSurvivor(node, CLIENT, front.baseUrl, options), PATIENCE_MS);
    await front.close();
  };
  const fates = OPTIONS.flatMap((options) =>
    Object.entries(fatesOf(options)).map(
      ([kind, some]) =>
        () =>
          proved(`${version} ${JSON.stringify(options)} ${some.length} ${kind}`, () => outlived(some, options)),
    ),
  );
  return [...fates, waits];
}

async function ended(survivor: Survivor): Promise<void> {
  const { code, signal, errors } = await survivor.end();
  if (code !== 0 || errors !== "") throw new Error(`the process ended with ${code ?? signal}: ${errors}`);
}

/** Ends servers, for all versions at once. */
async function provesServers(nodes: readonly string[]): Promise<void> {
  let server = await startOwnServer();
  const front: Front = await startFront(() => portOf(server));
  const survivors = nodes.map((node) => startSurvivor(node, CLIENT, front.baseUrl));
  const restarted = async (signal: "SIGKILL" | "SIGTERM"): Promise<void> => {
    const exited = once(server.process, "exit");
    server.process.kill(signal);
    await exited;
    await server.stop();
    for (const survivor of survivors) await survivor.done();
    server = await startOwnServer();
    for (const survivor of survivors) await survivor.works(PATIENCE_MS);
  };
  try {
    for (const survivor of survivors) await survivor.works(PATIENCE_MS);
    for (const signal of ["SIGKILL", "SIGTERM"] as const) await proved(signal, () => restarted(signal));
    await proved(`SIGSTOP for ${STOPPED_MS} ms, SIGCONT`, async () => {
      server.process.kill("SIGSTOP");
      await pause(STOPPED_MS);
      for (const survivor of survivors) await survivor.done();
      server.process.kill("SIGCONT");
      for (const survivor of survivors) await survivor.works(PATIENCE_MS);
    });
    await proved("SIGSTOP, SIGKILL", async () => {
      server.process.kill("SIGSTOP");
      await pause(500);
      await restarted("SIGKILL");
    });
    // The end comes while no server runs.
    server.process.kill("SIGKILL");
    await proved("close() while the server is gone", async () => {
      await Promise.all(survivors.map(ended));
    });
  } finally {
    for (const survivor of survivors) survivor.kill();
    await front.close();
    server.process.kill("SIGCONT");
    await server.stop();
  }
}

/** Runs a few at a time, in order, and starts no more after a failure. */
async function inLanes(proofs: readonly (() => Promise<void>)[]): Promise<void> {
  const left = [...proofs];
  const lane = async (): Promise<void> => {
    for (let proof = left.shift(); proof !== undefined; proof = left.shift()) {
      try {
        await proof();
      } catch (error) {
        left.length = 0;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

execFileSync("npm", ["run", "--silent", "build:client"], { stdio: "inherit" });
const asked = process.argv.slice(2);
const nodes = new Map((asked.length > 0 ? asked : VERSIONS).map((version) => [version, nodeOf(version)]));
if (asked.length === 0) nodes.set(process.version.slice(1), process.execPath);
const server = await startOwnServer();
try {
  // The longest proof begins first.
  await Promise.all([
    inLanes([...nodes].flatMap(([version, node]) => proofsOf(version, node, server))),
    provesServers([...nodes.values()]),
  ]);
} finally {
  await server.stop();
}
