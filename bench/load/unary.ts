import { type Http2, openHttp2, type Verdict } from "./http2.ts";
import { createMeter, type Figures, type Meter, type Span } from "./meter.ts";
import { templatesOf } from "./requests.ts";

/** Calls of one unary method over gRPC. A call repeats one of the requests, and expects the answer at the same place. */
export interface UnaryJob extends Span {
  readonly port: number;
  readonly path: string;
  /** Messages with their length prefix. */
  readonly requests: readonly Uint8Array[];
  readonly answers: readonly Uint8Array[];
  readonly connections: number;
  /** Calls that each connection keeps in flight. */
  readonly streams: number;
}

/** Keeps the calls in flight for the span, and returns what was measured. Rejects if a connection cannot be opened. */
export async function runUnary(job: UnaryJob): Promise<Figures> {
  const meter = createMeter(job);
  const all = await Promise.all(Array.from({ length: job.connections }, (_, index) => openCaller(job, meter, index)));
  meter.start();
  for (const caller of all) caller.start();
  try {
    return await meter.finished;
  } finally {
    await Promise.all(all.map((caller) => caller.close()));
  }
}

/** A call in flight, or the place of the next one. */
interface Lane {
  request: number;
  sentAt: number;
  /** Bytes of the answer that have arrived and are the expected ones. */
  arrived: number;
  problem: string | undefined;
}

/** Time that calls in flight may take at the end; then their connections are closed all the same. */
const DRAIN_MS = 1000;

interface Caller {
  start(): void;
  /** Resolves when the calls in flight have ended and the connection is closed. */
  close(): Promise<void>;
}

async function openCaller(job: UnaryJob, meter: Meter, index: number): Promise<Caller> {
  const { port, path, requests, answers, streams } = job;
  /** Called when no call is in flight any more. */
  let onDrained = (): void => {};
  const lanes = new Map<number, Lane>();
  let free: Lane[] = Array.from({ length: streams }, () => ({ request: 0, sentAt: 0, arrived: 0, problem: undefined }));
  let [nextId, nextRequest] = [1, index];

  const finish = (streamId: number, lane: Lane, problem: string | undefined): void => {
    lanes.delete(streamId);
    free.push(lane);
    meter.count(lane.sentAt, problem);
  };
  const end = (streamId: number, lane: Lane, verdict: Verdict | "no trailers"): void => {
    const expected = answers[lane.request]?.length ?? 0;
    const isWhole = lane.arrived === expected;
    const problem = verdict === "OK" ? (isWhole ? lane.problem : "the answer is not the expected one") : verdict;
    finish(streamId, lane, problem);
  };
  const connection: Http2 = await openHttp2(port, {
    headers(streamId, verdict, isEnd) {
      const lane = lanes.get(streamId);
      if (lane === undefined) return;
      if (isEnd) end(streamId, lane, verdict);
      else if (verdict !== "ANSWER") lane.problem = `unexpected headers: ${verdict}`;
    },
    data(streamId, bytes, start, stop, isEnd) {
      const lane = lanes.get(streamId);
      if (lane === undefined) return;
      const expected = answers[lane.request] ?? new Uint8Array();
      for (let at = start; at < stop; at += 1) {
        if (bytes[at] !== expected[lane.arrived]) lane.problem = "the answer is not the expected one";
        lane.arrived += 1;
      }
      if (isEnd) end(streamId, lane, "no trailers");
    },
    reset(streamId, code) {
      const lane = lanes.get(streamId);
      if (lane !== undefined) finish(streamId, lane, `the stream was reset with code ${code}`);
    },
    idle: () => {
      if (meter.isRunning()) send();
      else if (lanes.size === 0) onDrained();
    },
    ended: (problem) => meter.fail(problem),
  });
  if (connection.peer.streams < streams)
    throw new Error(`the server allows ${connection.peer.streams} streams on a connection, not ${streams}`);
  const templates = templatesOf(path, port, connection.peer.tableBytes, requests);

  /** Sends a request in each free lane, with one write. */
  const send = (): void => {
    const now = performance.now();
    const [firstId, firstRequest] = [nextId, nextRequest];
    let [total, taken] = [0, 0];
    for (; taken < free.length; taken += 1) {
      const [request, lane] = [nextRequest % requests.length, free[taken] as Lane];
      const size = requests[request]?.length ?? 0;
      if (connection.window < size) break;
      connection.window -= size;
      Object.assign(lane, { request, sentAt: now, arrived: 0, problem: undefined });
      lanes.set(nextId, lane);
      total += templates.sizeOf(request, nextId);
      nextRequest += 1;
      nextId += 2;
    }
    if (taken === 0) return;
    free = free.slice(taken);
    const out = Buffer.allocUnsafe(total);
    let at = 0;
    for (let turn = 0; turn < taken; turn += 1) {
      const [request, streamId] = [(firstRequest + turn) % requests.length, firstId + 2 * turn];
      templates.write(request, streamId, out, at);
      at += templates.sizeOf(request, streamId);
    }
    connection.write(out);
  };
  return {
    start: send,
    async close() {
      if (lanes.size > 0)
        await new Promise<void>((resolve) => {
          onDrained = resolve;
          setTimeout(resolve, DRAIN_MS);
        });
      connection.close();
    },
  };
}
