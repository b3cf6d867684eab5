import { FLAG, frame, TYPE } from "./frame.ts";
import type { Field } from "./header-decoder.ts";
import { type Http2, openHttp2, type Verdict } from "./http2.ts";
import { createMeter, type Figures, type Meter, type Span } from "./meter.ts";
import { headerBlocks } from "./request-headers.ts";

/** Calls of one unary method over gRPC. A call repeats one of the requests, and expects the answer at the same place. */
export interface UnaryJob extends Span {
  readonly kind: "unary";
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
  const drained = Promise.withResolvers<void>();
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
      else if (lanes.size === 0) drained.resolve();
    },
    ended: (problem) => meter.fail(problem),
  });
  if (connection.peer.streams < streams)
    throw new Error(`the server allows ${connection.peer.streams} streams on a connection, not ${streams}`);
  const authority = `127.0.0.1:${port}`;
  const blocks = headerBlocks(fieldsOf(path, authority), connection.peer.tableBytes);
  const [first, next] = [templatesOf(blocks.first, requests), templatesOf(blocks.next, requests)];

  /** Sends a request in each free lane, with one write. */
  const send = (): void => {
    const now = performance.now();
    const [chosen, firstId]: [Buffer[], number] = [[], nextId];
    let total = 0;
    while (free.length > chosen.length) {
      const request = nextRequest % requests.length;
      const size = requests[request]?.length ?? 0;
      const bytes = (nextId === 1 ? first : next).frames[request];
      if (bytes === undefined || connection.window < size) break;
      connection.window -= size;
      const lane = free[chosen.length] as Lane;
      lane.request = request;
      lane.sentAt = now;
      lane.arrived = 0;
      lane.problem = undefined;
      lanes.set(nextId, lane);
      chosen.push(bytes);
      total += bytes.length;
      nextRequest += 1;
      nextId += 2;
    }
    if (chosen.length === 0) return;
    free = chosen.length === free.length ? [] : free.slice(chosen.length);
    const out = Buffer.allocUnsafe(total);
    let at = 0;
    for (const [place, bytes] of chosen.entries()) {
      const streamId = firstId + 2 * place;
      out.set(bytes, at);
      out.writeUInt32BE(streamId, at + 5);
      out.writeUInt32BE(streamId, at + (streamId === 1 ? first : next).dataAt + 5);
      at += bytes.length;
    }
    connection.write(out);
  };
  return {
    start: send,
    async close() {
      if (lanes.size > 0) await Promise.race([drained.promise, new Promise((done) => setTimeout(done, DRAIN_MS))]);
      connection.close();
    },
  };
}

/** The frames of each request, with 0 for the id of the stream, and the place of their DATA frame. */
interface Templates {
  readonly frames: readonly Buffer[];
  readonly dataAt: number;
}

function templatesOf(block: Buffer, requests: readonly Uint8Array[]): Templates {
  const headers = frame(TYPE.HEADERS, FLAG.END_HEADERS, 0, block);
  const frames = requests.map((request) => Buffer.concat([headers, frame(TYPE.DATA, FLAG.END_STREAM, 0, request)]));
  return { frames, dataAt: headers.length };
}

function fieldsOf(path: string, authority: string): Field[] {
  return [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", authority],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
    ["user-agent", "helios-bench"],
  ];
}
