// Measures the memory of the server's process, from outside, while many gRPC requests of 4 MiB have begun and do not
// end. It can compare several checkouts. The client is a separate process.
//
// node bench/in-flight.ts [--streams 300] [--hold-ms 5000] [--rounds 1] [DIRECTORY…]
//
// Each directory is a checkout with its node_modules. Without a directory, only this checkout is measured.
import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { connect } from "node:http2";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { table } from "./swap/figures.ts";

const MESSAGE_BYTES = 4 * 1024 * 1024 - 100;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    streams: { type: "string", default: "300" },
    "hold-ms": { type: "string", default: "5000" },
    rounds: { type: "string", default: "1" },
    client: { type: "string" },
  },
});
const streams = Number(values.streams);

interface Counts {
  written: number;
  refused: number;
  reset: number;
}

/** Reports which requests were refused, and the progress. */
async function attack(url: string): Promise<void> {
  const session = connect(url, { maxSessionMemory: 4000 });
  session.on("error", () => {});
  await once(session, "remoteSettings");
  const counts: Counts = { written: 0, refused: 0, reset: 0 };
  const head = Buffer.alloc(5);
  head.writeUInt32BE(MESSAGE_BYTES, 1);
  const body = Buffer.concat([head, Buffer.alloc(MESSAGE_BYTES - 1)]);
  for (let index = 0; index < streams; index += 1) {
    const path = "/helios.v1.FlagService/ListFlags";
    const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
    const stream = session.request(headers);
    let isAnswered = false;
    stream.on("error", () => {});
    stream.on("trailers", () => {
      isAnswered = true;
      counts.refused += 1;
    });
    stream.on("close", () => {
      if (!isAnswered) counts.reset += 1;
    });
    stream.resume();
    stream.write(body, () => {
      counts.written += 1;
    });
  }
  setInterval(() => process.send?.(counts), 100);
}

interface Figures {
  readonly before: number;
  readonly peak: number;
  readonly after: number;
  readonly refused: number;
  readonly reset: number;
  /** Longest time in ms that another connection waited for a call meanwhile, and the number of its failed calls. */
  readonly longest: number;
  readonly failed: number;
}

async function measure(directory: string): Promise<Figures> {
  const scratch = await mkdtemp(join(tmpdir(), "helios-bench-"));
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as { port: number };
  probe.close();
  const places = ["--data-dir", join(scratch, "data"), "--log-dir", join(scratch, "logs")];
  const server = spawn(process.execPath, ["src/server/main.ts", "--port", String(port), ...places], {
    cwd: directory,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const url = `http://127.0.0.1:${port}`;
  let client: ChildProcess | undefined;
  try {
    while (!(await fetch(`${url}/readyz`).catch(() => undefined))?.ok) await pause(100);
    await pause(2000);
    const before = await memory(server, "VmRSS");
    client = fork(import.meta.filename, ["--client", url, "--streams", String(streams)]);
    let counts: Counts | undefined;
    client.on("message", (told: Counts) => {
      counts = told;
    });
    let [longest, failed] = [0, 0];
    // Waits until all requests have begun and nothing has changed for a while.
    let seen = "";
    for (let quiet = performance.now(); performance.now() - quiet < Number(values["hold-ms"]); await pause(100)) {
      const now = JSON.stringify([counts, await memory(server, "VmHWM")]);
      if (counts === undefined || now !== seen) quiet = performance.now();
      seen = now;
      const asked = performance.now();
      const answer = await fetch(`${url}/api/modularity/feature-flags`).catch(() => undefined);
      if (!answer?.ok) failed += 1;
      await answer?.text();
      longest = Math.max(longest, performance.now() - asked);
    }
    const [peak, after] = [await memory(server, "VmHWM"), await memory(server, "VmRSS")];
    return { before, peak, after, refused: counts?.refused ?? 0, reset: counts?.reset ?? 0, longest, failed };
  } finally {
    client?.kill("SIGKILL");
    server.kill("SIGKILL");
    await once(server, "exit");
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Memory of a process, in MiB. Only on Linux. */
async function memory({ pid }: ChildProcess, line: string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(new RegExp(`${line}:\\s+(\\d+)`).exec(status)?.[1]) / 1024);
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

if (values.client !== undefined) await attack(values.client);
else {
  const directories = positionals.length > 0 ? positionals : [join(import.meta.dirname, "..")];
  const rows = [["", "before", "peak", "added", "after", "refused", "reset", "others: longest, failed"]];
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const directory of directories) {
      const { before, peak, after, refused, reset, longest, failed } = await measure(resolve(directory));
      const others = `${Math.round(longest)} ms, ${failed}`;
      rows.push([directory, ...[before, peak, peak - before, after, refused, reset].map(String), others]);
    }
  }
  process.stdout.write(`${streams} requests of 4 MiB that do not end; memory in MiB\n${table(rows)}\n`);
}
