import { spawnSync } from "node:child_process";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  SetPercentageRequestSchema,
  WatchFlagsRequestSchema,
  WatchFlagsResponseSchema,
} from "../../gen/helios/v1/flag_service_pb.ts";
import { alternate } from "../compare/alternate.ts";
import { type Figure, type Result, type Sample, summarize } from "../compare/results.ts";
import { type Load, startLoad } from "../load/load.ts";
import { enveloped } from "../sides/envelope.ts";
import { RULE } from "../sides/flag.ts";
import { heliosSide, memoryOf, peerSide, type Running, type Side } from "../sides/side.ts";
import { CHANGE_PATH, WATCH_PATH } from "../sides/watching.ts";
import { createFlag } from "./ready.ts";
import type { Bench, Suite } from "./suite.ts";

/** Connections, and watchers on each. */
const LOADS = [
  [10, 100],
  [10, 1000],
  [1, 10_000],
  [1000, 1],
  [10_000, 1],
] as const;
const QUICK_LOADS = 1;
/** Connections to a server beyond which it has a load of its own: a process may not open as many files as all sides need. */
const SHARED_CONNECTIONS = 5000;
/** Files that a process opens besides its connections, and more than enough. */
const OTHER_FILES = 200;
const TIMEOUT_MS = 30_000;
/** A watcher that has no change hears nothing for as long as Helios allows, so that only changes are measured. */
const HEARTBEAT = { seconds: 300n, nanos: 0 };

const FIGURES: readonly Figure[] = [
  { name: "p50", unit: "ms", better: "less" },
  { name: "p99", unit: "ms", better: "less" },
  { name: "max", unit: "ms", better: "less" },
  { name: "CPU per watcher", unit: "µs", better: "less" },
  { name: "answer to the change", unit: "ms" },
  { name: "frame", unit: "bytes" },
  { name: "memory per watcher", unit: "KB", better: "less" },
  { name: "heap per watcher", unit: "KB", better: "less" },
];

const SIDES: readonly Side[] = [
  heliosSide,
  peerSide("bare node:http2", "bare-http2.ts"),
  peerSide("connect-node", "connect-node.ts", ["h2"]),
];

const WATCH = enveloped(
  toBinary(
    WatchFlagsRequestSchema,
    create(WatchFlagsRequestSchema, { names: [RULE.name], heartbeatInterval: HEARTBEAT }),
  ),
);

/** A server whose watchers wait for a change. */
interface Watched {
  readonly side: Side;
  readonly running: Running;
  readonly load: Load;
  readonly memory: Sample;
}

export const fanOut: Suite = {
  name: "fan-out",
  async run(bench) {
    const results: Result[] = [];
    const files = mostFiles();
    for (const [connections, streams] of bench.isQuick ? LOADS.slice(0, QUICK_LOADS) : LOADS) {
      if (connections + OTHER_FILES <= files) results.push(await fanOutTo(connections, streams, bench));
      else bench.say(`fan-out ${connections} × ${streams} is left out: a process may open only ${files} files`);
    }
    return results;
  },
};

/** How many files a process may open. Node uses all that the system permits. */
function mostFiles(): number {
  const { stdout } = spawnSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" });
  return /^\d+$/.test(stdout.trim()) ? Number(stdout) : Number.POSITIVE_INFINITY;
}

async function fanOutTo(connections: number, streams: number, bench: Bench): Promise<Result> {
  const name = `${connections} × ${streams}`;
  bench.say(`fan-out ${name}`);
  const watched: Watched[] = [];
  const own: Load[] = [];
  try {
    for (const side of SIDES) {
      const load = connections > SHARED_CONNECTIONS ? startLoad(bench.cores) : bench.load;
      if (load !== bench.load) own.push(load);
      watched.push(await watch(side, connections, streams, { ...bench, load }));
    }
    await alternate(watched, 1, measure);
    const samples = await alternate(watched, bench.rounds, measure);
    const names = watched.map(({ side }) => side.name);
    return summarize({ suite: "fan-out", name }, FIGURES, names, samples);
  } finally {
    for (const { running, load } of watched) {
      await load.run("closeWatchers", { port: running.port });
      await running.stop();
    }
    for (const load of own) await load.stop();
  }
}

async function watch(side: Side, connections: number, streams: number, { cores, load }: Bench): Promise<Watched> {
  const running = await side.start(cores?.server, { tellsMemory: true });
  const { port } = running;
  try {
    if (side === heliosSide) await createFlag(port);
    // What the first watcher costs is no cost of a watcher.
    await load.run("openWatchers", { port, path: WATCH_PATH, request: WATCH, connections: 1, streams: 10 });
    await load.run("closeWatchers", { port });
    const before = await memoryOf(running);
    await load.run("openWatchers", { port, path: WATCH_PATH, request: WATCH, connections, streams });
    const after = await memoryOf(running);
    const each = (bytes: number): number => bytes / 1000 / (connections * streams);
    const memory = {
      "memory per watcher": each(after.rss - before.rss),
      "heap per watcher": each(after.heap - before.heap),
    };
    return { side, running, load, memory };
  } catch (error) {
    await running.stop();
    throw new Error(`the watchers of ${side.name} could not be opened`, { cause: error });
  }
}

let percentage = 0;

/** One change. Throws if a watcher missed it, or received anything else. */
async function measure({ side, running, load, memory }: Watched): Promise<Sample> {
  percentage = (percentage + 1) % 100;
  const request = toBinary(
    SetPercentageRequestSchema,
    create(SetPercentageRequestSchema, { name: RULE.name, percentage }),
  );
  const { port } = running;
  const { pid: serverPid } = running.program;
  const change = { port, path: CHANGE_PATH, request: enveloped(request), timeoutMs: TIMEOUT_MS, serverPid };
  const { p50Ms, p99Ms, maxMs, cpuUs, answeredMs, missed, wrong, message } = await load.run("change", change);
  if (missed > 0 || wrong > 0) throw new Error(`${side.name}: ${missed} watchers missed a change, ${wrong} were wrong`);
  const { frame } = fromBinary(WatchFlagsResponseSchema, message);
  const put = frame.case === "changes" ? frame.value.changes[0]?.change : undefined;
  if (put?.case !== "put" || put.value.percentage !== percentage)
    throw new Error(`${side.name} told its watchers something else than the change`);
  return {
    p50: p50Ms,
    p99: p99Ms,
    max: maxMs,
    "CPU per watcher": cpuUs,
    "answer to the change": answeredMs,
    frame: message.length,
    ...memory,
  };
}
