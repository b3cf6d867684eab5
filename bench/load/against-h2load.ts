// Compares the load of this directory with h2load (package nghttp2-client of Debian), in turns, against the same servers:
// `npm run bench:h2load`. Both should find the same rate; if ours were the limit, h2load would find a higher one.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { alternate } from "../compare/alternate.ts";
import { findCores, pinned } from "../compare/cores.ts";
import { ratiosOf, spreadOf } from "../compare/statistics.ts";
import { heliosSide, peerSide } from "../sides/side.ts";
import { prepareGrpc, type Ready } from "../suites/ready.ts";
import { table } from "../swap/figures.ts";
import { startLoad } from "./load.ts";

const [ROUNDS, CONNECTIONS, STREAMS, SECONDS] = [5, 8, 16, 2];
const cores = findCores();
const load = startLoad(cores);
const directory = mkdtempSync(join(tmpdir(), "helios-bench-"));

/** Calls per second by h2load. Throws if a call failed. */
function byH2load({ running, path, requests }: Ready): number {
  const body = join(directory, "body");
  writeFileSync(body, requests[0] ?? "");
  const headers = ["content-type: application/grpc", "te: trailers"].flatMap((header) => ["-H", header]);
  const amount = ["-c", String(CONNECTIONS), "-m", String(STREAMS), "-D", String(SECONDS), "--warm-up-time", "1"];
  const command = ["h2load", ...amount, "-d", body, ...headers, `http://127.0.0.1:${running.port}${path}`];
  const [file = "", ...args] = pinned(cores?.load, command);
  const { stdout, error } = spawnSync(file, args, { encoding: "utf8" });
  if (error !== undefined) throw error;
  const rate = Number(/, ([\d.]+) req\/s/.exec(stdout)?.[1]);
  const failed = Number(/(\d+) failed, \d+ errored/.exec(stdout)?.[1]);
  if (!(rate > 0) || failed > 0) throw new Error(`h2load: ${failed} calls failed\n${stdout}`);
  return rate;
}

async function byOurs({ running, path, requests, answers }: Ready) {
  const figures = await load.run("unary", {
    port: running.port,
    path,
    requests: requests.slice(0, 1),
    answers: answers.slice(0, 1),
    connections: CONNECTIONS,
    streams: STREAMS,
    serverPid: running.program.pid,
    warmUpMs: 1000,
    durationMs: SECONDS * 1000,
  });
  if (figures.errors > 0) throw new Error(`ours: ${figures.errors} calls failed: ${figures.problem}`);
  return figures;
}

const rows = [
  ["calls per second", "ours", "h2load", "ours ÷ h2load", "CPU of ours (core)", "CPU of the server (core)"],
];
try {
  const peers = [peerSide("bare node:http2", "bare-http2.ts"), peerSide("grpc-js", "grpc-js.ts")];
  for (const side of [heliosSide, ...peers]) {
    const ready = await prepareGrpc(side, cores);
    const [cpu, serverCpu]: [number[], number[]] = [[], []];
    const ours = async (): Promise<number> => {
      const figures = await byOurs(ready);
      cpu.push(figures.loadCpu);
      serverCpu.push(figures.serverCpu);
      return figures.perSecond;
    };
    const [own = [], theirs = []] = await alternate([ours, async () => byH2load(ready)], ROUNDS, (one) => one());
    const [ratio, ...rates] = [ratiosOf(own, theirs), own, theirs].map((all) => spreadOf(all).median);
    const shares = [ratio, spreadOf(cpu).median, spreadOf(serverCpu).median].map((one) => one?.toFixed(2) ?? "");
    rows.push([side.name, ...rates.map((rate) => rate.toFixed(0)), ...shares]);
    await ready.running.stop();
  }
} finally {
  await load.stop();
  rmSync(directory, { recursive: true, force: true });
}
process.stdout.write(`${table(rows)}\n`);
