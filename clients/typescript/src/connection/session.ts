import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type OutgoingHttpHeaders,
} from "node:http2";
import type { Socket } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { systemClock, type Timer } from "../../../../src/kernel/clock.ts";
import { dial } from "./dial.ts";

export interface SessionOptions {
  /** Time in ms that connecting may take. Longer attempts fail. */
  readonly connectTimeoutMs: number;
  /** Time in ms without data after which a session with open calls is pinged. */
  readonly pingIntervalMs: number;
  /** Time in ms within which a ping must be answered. Otherwise the session and its calls fail. */
  readonly pingTimeoutMs: number;
  /** Time in ms for which a session without calls stays open. */
  readonly idleTimeoutMs: number;
  /** Memory in MB beyond which Node refuses new calls on a session. */
  readonly maxSessionMemory: number;
}

/** The debug data of the GOAWAY with which a server asks for fewer pings. */
const TOO_MANY_PINGS = "too_many_pings";

/**
 * Time that a connection which the server is closing may take to transfer its last bytes; then it is closed. @limit ms
 */
const LINGER_MS = 1000;

const nothing = (): void => {};

/**
 * Calls `run` after `ms`, unless it is cancelled. Data that has arrived by then is read first. Otherwise a process that was
 * busy or stopped would call `run` although the answer has arrived.
 */
function whenLate(ms: number, run: () => void, isAwaited = false): Timer {
  let isCancelled = false;
  const timer = systemClock.setTimer(ms, () => setImmediate(() => isCancelled || run()), isAwaited);
  return {
    cancel() {
      isCancelled = true;
      timer.cancel();
    },
  };
}

/**
 * One HTTP/2 connection. It always listens for errors: Node ends the process on an error without a listener, and a session may
 * fail at any time, even after it was closed.
 */
export class Session {
  /** Resolves when calls may begin. Rejects with UNAVAILABLE, or with the error that it was destroyed with. */
  readonly connected: Promise<void>;
  readonly #http2: ClientHttp2Session;
  readonly #socket: Socket;
  readonly #options: SessionOptions;
  readonly #onTooManyPings: () => void;
  #isConnected = false;
  #mustGoAway = false;
  #streams = 0;
  #heardAt = systemClock.monotonic();
  #ping: Promise<boolean> | undefined;
  #keepAlive: Timer | undefined;
  #idle: Timer | undefined;

  constructor(authority: string, options: SessionOptions, onEnd: () => void, onTooManyPings: () => void) {
    this.#options = options;
    this.#onTooManyPings = onTooManyPings;
    this.#socket = dial(new URL(authority));
    const createConnection = (): Socket => this.#socket;
    const session = connect(authority, { maxSessionMemory: options.maxSessionMemory, createConnection });
    this.#http2 = session;
    this.connected = new Promise((resolve, reject) => {
      const fail = (error?: Error): void => {
        if (this.#isConnected) return;
        const problem = error?.message ?? "the connection ended before it was ready";
        const own = error instanceof ConnectError ? error : undefined;
        reject(
          own ??
            new ConnectError(
              `cannot connect to ${authority}: ${problem}`,
              Code.Unavailable,
              undefined,
              undefined,
              error,
            ),
        );
      };
      const late = (): void => {
        const problem = `cannot connect to ${authority} within ${options.connectTimeoutMs} ms`;
        this.destroy(new ConnectError(problem, Code.Unavailable));
      };
      const slow = whenLate(options.connectTimeoutMs, late, true);
      session.on("error", fail);
      session.once("close", () => {
        slow.cancel();
        this.#stopTimers();
        fail();
        onEnd();
      });
      session.once("connect", () => {
        slow.cancel();
        // Node emits `connect` even if the session was destroyed meanwhile.
        if (session.destroyed) return;
        this.#isConnected = true;
        this.#heard();
        this.#rest();
        resolve();
        // A working HTTP/2 server sends its settings first. Otherwise it does not speak HTTP/2, or hangs.
        const mute = (): void => this.destroy(new ConnectError(`${authority} does not speak HTTP/2`, Code.Unavailable));
        const due = whenLate(options.pingTimeoutMs, mute);
        session.once("remoteSettings", () => due.cancel());
        session.once("close", () => due.cancel());
      });
    });
    // If nobody waits for it, the rejection must not count as unhandled.
    this.connected.catch(nothing);
    session.on("goaway", (_code, _lastStreamId, data) => this.#goAway(data));
  }

  /** Whether the session takes further calls. */
  get isUsable(): boolean {
    return !this.#mustGoAway && !this.#http2.closed && !this.#http2.destroyed;
  }

  /** Begins a call. Throws if the session does not take calls any more. */
  request(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    const stream = this.#http2.request(headers);
    // It may fail before its caller has added a listener.
    stream.on("error", nothing);
    let isAnswered = false;
    stream.once("response", () => {
      isAnswered = true;
      this.#heard();
    });
    stream.once("close", () => {
      // A stream may end with neither an answer nor an error: after RST_STREAM with NO_ERROR, and on Node 20 when the
      // connection is reset after a GOAWAY. The RPC runtime waits for one of the two, so that the call would never end.
      if (!isAnswered && stream.rstCode === constants.NGHTTP2_NO_ERROR && !stream.errored)
        stream.emit("error", new ConnectError("the call ended without an answer", Code.Unavailable));
      this.#streams -= 1;
      if (this.#streams === 0) this.#rest();
    });
    this.#streams += 1;
    if (this.#streams === 1) this.#work();
    return stream;
  }

  /** Must be called when data has arrived for a call. Calls of other sessions are ignored. */
  heard({ session }: ClientHttp2Stream): void {
    if (session === this.#http2) this.#heard();
  }

  /** Returns true if data arrived recently. Otherwise pings, and resolves to whether the ping is answered. Never rejects. */
  isAlive(): boolean | Promise<boolean> {
    return systemClock.monotonic() - this.#heardAt <= this.#options.pingIntervalMs || this.#isAnswering();
  }

  /** Ends the session. Its calls fail with `error`. */
  destroy(error?: Error): void {
    if (!this.#http2.destroyed) this.#http2.destroy(error, constants.NGHTTP2_CANCEL);
  }

  #heard(): void {
    this.#heardAt = systemClock.monotonic();
  }

  /** Called when the first call begins. Calls keep the process alive, and need a server that answers pings. */
  #work(): void {
    this.#idle?.cancel();
    this.#http2.ref();
    this.#heard();
    this.#watch(this.#options.pingIntervalMs);
  }

  #rest(): void {
    this.#stopTimers();
    // After a GOAWAY, Node ends the session by itself, but waits without a limit until the other side closes the connection.
    if (this.#mustGoAway) systemClock.setTimer(LINGER_MS, () => this.#socket.destroy());
    if (this.#http2.destroyed) return;
    // An idle session does not keep the process alive.
    this.#http2.unref();
    if (this.#mustGoAway) this.destroy();
    else this.#idle = systemClock.setTimer(this.#options.idleTimeoutMs, () => this.destroy());
  }

  #watch(ms: number): void {
    this.#keepAlive = systemClock.setTimer(ms, () => void this.#checkLife());
  }

  async #checkLife(): Promise<void> {
    const silentMs = systemClock.monotonic() - this.#heardAt;
    const left = this.#options.pingIntervalMs - silentMs;
    if (left <= 0 && !(await this.#isAnswering())) return;
    if (this.#streams > 0 && !this.#http2.destroyed)
      this.#watch(Math.max(1, left > 0 ? left : this.#options.pingIntervalMs));
  }

  /** Pings the other side. If it does not answer in time, destroys the session and resolves to false. */
  #isAnswering(): Promise<boolean> {
    this.#ping ??= new Promise<boolean>((resolve) => {
      const session = this.#http2;
      const settle = (isThere: boolean): void => {
        timer.cancel();
        session.off("close", ended);
        this.#ping = undefined;
        resolve(isThere);
      };
      const ended = (): void => settle(false);
      const late = (): void => {
        settle(false);
        this.destroy(new ConnectError("PING timed out", Code.Unavailable));
      };
      const timer = whenLate(this.#options.pingTimeoutMs, late, true);
      session.once("close", ended);
      if (session.destroyed) return ended();
      session.ping((error) => {
        if (error) return;
        this.#heard();
        settle(true);
      });
    });
    return this.#ping;
  }

  #goAway(data: Uint8Array | undefined): void {
    this.#mustGoAway = true;
    if (data !== undefined && new TextDecoder().decode(data) === TOO_MANY_PINGS) this.#onTooManyPings();
    if (this.#streams === 0) this.destroy();
  }

  #stopTimers(): void {
    this.#keepAlive?.cancel();
    this.#idle?.cancel();
  }
}
