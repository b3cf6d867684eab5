import { cpuSeconds } from "../compare/cpu.ts";
import { PREFIX } from "../sides/envelope.ts";
import { percentiles } from "../swap/figures.ts";
import { type Http2, openHttp2 } from "./http2.ts";
import { templatesOf } from "./requests.ts";

/** Streams that watch the same, on connections of one server. */
export interface WatchJob {
  readonly port: number;
  readonly path: string;
  /** The message with its length prefix. */
  readonly request: Uint8Array;
  readonly connections: number;
  /** Streams on each connection. */
  readonly streams: number;
}

/** One change, which the server tells all its watchers. */
export interface ChangeJob {
  /** The server of the watchers. */
  readonly port: number;
  readonly path: string;
  readonly request: Uint8Array;
  /** Watchers that have no frame by then are missed. */
  readonly timeoutMs: number;
  readonly serverPid: number;
}

/** Times from the sending of the change, in ms. */
export interface Delivery {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** The time after which the change was answered. */
  readonly answeredMs: number;
  /** CPU time of the server for each watcher, in µs. */
  readonly cpuUs: number;
  readonly missed: number;
  /** Watchers with more than one frame, or with another one than the first watcher. */
  readonly wrong: number;
  /** The message that the watchers received. */
  readonly message: Uint8Array;
}

/** Streams that are opened together. The next ones follow when these have their first frame. */
const WAVE = 200;
const OPEN_TIMEOUT_MS = 60_000;
/** Time without frames after which the watchers have their snapshots, and a change is over. */
const QUIET_MS = 100;

interface Watcher {
  /** Bytes of a message that is not complete. */
  held: Buffer | undefined;
  /** Frames since the last change. */
  frames: number;
}

interface Watching {
  readonly port: number;
  readonly connections: readonly Http2[];
  /** A connection without watchers, for changes. */
  readonly caller: Caller;
  readonly watchers: readonly Watcher[];
  /** Called with each message. */
  onMessage: (watcher: Watcher, message: Buffer) => void;
  problem: string | undefined;
}

const all = new Map<number, Watching>();

/** Resolves once every stream has had its first frame and no more follow. */
export async function openWatchers({ port, path, request, connections, streams }: WatchJob): Promise<void> {
  const [watchers, opened]: [Watcher[], Http2[]] = [[], []];
  const watching: Watching = {
    port,
    connections: opened,
    caller: await openCaller(port),
    watchers,
    onMessage: () => {},
    problem: undefined,
  };
  all.set(port, watching);
  const open = async (): Promise<void> => {
    const own: Watcher[] = [];
    const connection = await openHttp2(port, {
      headers: (streamId, verdict, isEnd) => {
        if (verdict !== "ANSWER" || isEnd) watching.problem ??= `stream ${streamId} ended, or failed: ${verdict}`;
      },
      data(streamId, bytes, start, end) {
        const watcher = own[(streamId - 1) / 2];
        if (watcher !== undefined) take(watcher, bytes.subarray(start, end), watching);
      },
      reset: (streamId, code) => {
        watching.problem ??= `stream ${streamId} was reset with code ${code}`;
      },
      idle() {},
      ended: (problem) => {
        watching.problem ??= problem;
      },
    });
    opened.push(connection);
    const requests = templatesOf(path, port, connection.peer.tableBytes, [request]);
    for (let index = 0; index < streams; index += 1) {
      const watcher: Watcher = { held: undefined, frames: 0 };
      own.push(watcher);
      watchers.push(watcher);
      connection.write(requests.for(0, 2 * index + 1));
      if (index % WAVE === WAVE - 1 || index === streams - 1) await haveFrames(own, watching);
    }
  };
  const together = Math.max(1, Math.floor(WAVE / streams));
  for (let left = connections; left > 0; left -= together)
    await Promise.all(Array.from({ length: Math.min(left, together) }, open));
  await quiet(watching);
}

/** Makes a change, and waits until all watchers have it. Rejects if a stream failed. */
export async function change({ port, path, request, timeoutMs, serverPid }: ChangeJob): Promise<Delivery> {
  const watching = all.get(port);
  if (watching === undefined) throw new Error(`nobody watches at port ${port}`);
  const { watchers, caller } = watching;
  const times: number[] = [];
  const arrived = Promise.withResolvers<void>();
  let wrong = 0;
  let message: Buffer | undefined;
  for (const watcher of watchers) watcher.frames = 0;
  watching.onMessage = (watcher, bytes) => {
    message ??= Buffer.from(bytes);
    if (watcher.frames > 1 || !message.equals(bytes)) wrong += 1;
    if (watcher.frames > 1) return;
    times.push(performance.now() - begun);
    if (times.length === watchers.length) arrived.resolve();
  };
  const [begun, used] = [performance.now(), cpuSeconds(serverPid)];
  const answered = caller.call(path, request).then(() => performance.now() - begun);
  const late = setTimeout(arrived.resolve, timeoutMs);
  const [answeredMs] = await Promise.all([answered, arrived.promise]);
  clearTimeout(late);
  await quiet(watching);
  const { p50, p99, max } = percentiles(times, 3);
  return {
    p50Ms: p50,
    p99Ms: p99,
    maxMs: max,
    answeredMs,
    cpuUs: ((cpuSeconds(serverPid) - used) * 1e6) / watchers.length,
    missed: watchers.length - times.length,
    wrong,
    message: message?.subarray(PREFIX) ?? new Uint8Array(),
  };
}

export async function closeWatchers({ port }: Pick<WatchJob, "port">): Promise<void> {
  const watching = all.get(port);
  all.delete(port);
  for (const connection of watching?.connections ?? []) connection.close();
  watching?.caller.close();
}

/** Passes on each complete message of a stream. Most frames are one. */
function take(watcher: Watcher, arrived: Buffer, watching: Watching): void {
  let bytes = watcher.held === undefined ? arrived : Buffer.concat([watcher.held, arrived]);
  while (bytes.length >= PREFIX) {
    const length = PREFIX + bytes.readUInt32BE(1);
    if (bytes.length < length) break;
    watcher.frames += 1;
    watching.onMessage(watcher, bytes.subarray(0, length));
    bytes = bytes.subarray(length);
  }
  watcher.held = bytes.length === 0 ? undefined : Buffer.from(bytes);
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

async function haveFrames(watchers: readonly Watcher[], watching: Watching): Promise<void> {
  for (const deadline = performance.now() + OPEN_TIMEOUT_MS; watchers.some(({ frames }) => frames === 0); ) {
    if (watching.problem !== undefined) throw new Error(watching.problem);
    if (performance.now() > deadline) throw new Error("some watchers had no first frame");
    await pause(1);
  }
}

async function quiet({ watchers, problem }: Watching): Promise<void> {
  const count = (): number => watchers.reduce((sum, { frames }) => sum + frames, 0);
  for (let before = -1; before !== count(); await pause(QUIET_MS)) before = count();
  if (problem !== undefined) throw new Error(problem);
}

interface Caller {
  /** Makes a call. Rejects if it fails. */
  call(path: string, request: Uint8Array): Promise<void>;
  close(): void;
}

async function openCaller(port: number): Promise<Caller> {
  let streamId = -1;
  let ended = Promise.withResolvers<void>();
  const connection = await openHttp2(port, {
    headers(_, verdict, isEnd) {
      if (verdict === "FAILED") ended.reject(new Error("the change was refused"));
      else if (isEnd) ended.resolve();
    },
    data() {},
    reset: (_, code) => ended.reject(new Error(`the change was reset with code ${code}`)),
    idle() {},
    ended: (problem) => ended.reject(new Error(problem)),
  });
  ended.promise.catch(() => {});
  return {
    call(path, request) {
      streamId += 2;
      ended = Promise.withResolvers();
      // The table of the connection is not used, because changes are rare.
      connection.write(templatesOf(path, port, 0, [request]).for(0, streamId));
      return ended.promise;
    },
    close: () => connection.close(),
  };
}
