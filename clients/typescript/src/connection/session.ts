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
  /** Time in ms that an attempt to connect may take. Then it fails. */
  readonly connectTimeoutMs: number;
  /** Silence in ms after which a session with open calls is pinged. */
  readonly pingIntervalMs: number;
  /** Time in ms that a ping may take. Then the session is dead, and its calls fail. */
  readonly pingTimeoutMs: number;
  /** Time in ms for which a session without calls stays open. */
  readonly idleTimeoutMs: number;
  /** Memory in MB beyond which Node refuses new calls on a session. */
  readonly maxSessionMemory: number;
}

/** The debug data of a GOAWAY by which a server asks for fewer pings. */
const TOO_MANY_PINGS = "too_many_pings";

/**
 * Time that a connection which the server is closing may take to transfer its last bytes; then it is closed. @limit ms
 */
const LINGER_MS = 1000;

const nothing = (): void => {};

/**
 * Runs `run` after that time, unless it is cancelled. Data that arrived meanwhile is read first. Otherwise a process that was
 * busy or stopped would run its timers before it reads its sockets.
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
 * One HTTP/2 connection. It always listens for errors, because Node ends the process on an error that nobody listens for, and
 * a session may fail at any time, even after it was closed.
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
        // A session connects even if it was destroyed meanwhile.
        if (session.destroyed) return;
        this.#isConnected = true;
        this.#heard();
        this.#rest();
        resolve();
        // The other side may not speak HTTP/2, or may hang: a server of HTTP/2 that works sends its settings first.
        const mute = (): void => this.destroy(new ConnectError(`${authority} does not speak HTTP/2`, Code.Unavailable));
        const due = whenLate(options.pingTimeoutMs, mute);
        session.once("remoteSettings", () => due.cancel());
        session.once("close", () => due.cancel());
      });
    });
    // Perhaps nobody waits for it: the rejection must not count as unhandled.
    this.connected.catch(nothing);
    session.on("goaway", (_code, _lastStreamId, data) => this.#goAway(data));
  }

  /** Whether another call may begin on it. */
  get isUsable(): boolean {
    return !this.#mustGoAway && !this.#http2.closed && !this.#http2.destroyed;
  }

  /** Begins a call. Throws if the session does not take calls any more. */
  request(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    const stream = this.#http2.request(headers);
    // It may fail before its caller can listen.
    stream.on("error", nothing);
    let isAnswered = false;
    stream.once("response", () => {
      isAnswered = true;
      this.#heard();
    });
    stream.once("close", () => {
      // A stream may end without an answer and without an error: by RST_STREAM with NO_ERROR, and on Node 20 when the
      // connection is reset after a GOAWAY. The runtime waits for an answer or an error, so that the call would never end.
      if (!isAnswered && stream.rstCode === constants.NGHTTP2_NO_ERROR && !stream.errored)
        stream.emit("error", new ConnectError("the call ended without an answer", Code.Unavailable));
      this.#streams -= 1;
      if (this.#streams === 0) this.#rest();
    });
    this.#streams += 1;
    if (this.#streams === 1) this.#work();
    return stream;
  }

  /** Data came for that call. */
  heard({ session }: ClientHttp2Stream): void {
    if (session === this.#http2) this.#heard();
  }

  /** Resolves to whether the other side answers. Recent data shows that, or else a ping. Never rejects. */
  isAlive(): boolean | Promise<boolean> {
    return systemClock.monotonic() - this.#heardAt <= this.#options.pingIntervalMs || this.#isAnswering();
  }

  /** Ends the session and its calls, which fail with that error. */
  destroy(error?: Error): void {
    if (!this.#http2.destroyed) this.#http2.destroy(error, constants.NGHTTP2_CANCEL);
  }

  #heard(): void {
    this.#heardAt = systemClock.monotonic();
  }

  /** Calls have begun: they keep the process alive, and the other side must show that it is there. */
  #work(): void {
    this.#idle?.cancel();
    this.#http2.ref();
    this.#heard();
    this.#watch(this.#options.pingIntervalMs);
  }

  #rest(): void {
    this.#stopTimers();
    // After a GOAWAY, Node ends the session by itself, but waits for ever for the other side to close the connection.
    if (this.#mustGoAway) systemClock.setTimer(LINGER_MS, () => this.#socket.destroy());
    if (this.#http2.destroyed) return;
    // A process that has nothing else to do may end.
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

  /** Pings the other side. If it does not answer in time, the session is dead. */
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
