import type { ClientHttp2Stream, OutgoingHttpHeaders } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { Session, type SessionOptions } from "./session.ts";

/** Silence on a connection with open calls after which the client pings the service. @limit ms */
const PING_INTERVAL_MS = 5000;
/**
 * Time that the service may take to answer a ping; then its calls fail with UNAVAILABLE, and the next call opens a new
 * connection. @limit ms
 */
const PING_TIMEOUT_MS = 5000;
/** Time that opening a connection may take; then its calls fail with UNAVAILABLE. @limit ms */
const CONNECT_TIMEOUT_MS = 10_000;
/** Time without calls after which a connection is closed; the next call opens a new one. @limit ms */
const IDLE_TIMEOUT_MS = 15 * 60_000;
/**
 * Memory of a connection; beyond it, Node refuses new calls on it. Node's default, 10, is little more than one large
 * message. @limit MB
 */
const SESSION_MEMORY_MB = 256;
/**
 * Connections that one call tries, because one may end between being chosen and being used. Then the call fails with
 * UNAVAILABLE. @limit times
 */
const MOST_ATTEMPTS = 3;

const DEFAULTS: SessionOptions = {
  connectTimeoutMs: CONNECT_TIMEOUT_MS,
  pingIntervalMs: PING_INTERVAL_MS,
  pingTimeoutMs: PING_TIMEOUT_MS,
  idleTimeoutMs: IDLE_TIMEOUT_MS,
  maxSessionMemory: SESSION_MEMORY_MB,
};

/**
 * The connection to one service over HTTP/2, in the form that the Connect transports need. One session at a time takes new
 * calls; a session that the service is closing ends its calls beside the next one. No failure of a session is an uncaught
 * error.
 */
export class Connection {
  readonly authority: string;
  readonly #sessions = new Set<Session>();
  #options: SessionOptions;
  #current: Session | undefined;
  #ends = 0;

  /** Connects to the origin of that URL. The options are for tests. */
  constructor(baseUrl: string, options: Partial<SessionOptions> = {}) {
    this.authority = new URL(baseUrl).origin;
    this.#options = { ...DEFAULTS, ...options };
  }

  /** Sessions that have not ended. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** How often `abort` has ended everything. */
  get ends(): number {
    return this.#ends;
  }

  /** Begins a call, over a new session if the present one is dead. Rejects with UNAVAILABLE if it cannot connect. */
  async request(method: string, path: string, headers: OutgoingHttpHeaders): Promise<ClientHttp2Stream> {
    const ends = this.#ends;
    for (let attempt = 1; ; attempt += 1) {
      const session = await this.#ready(ends);
      try {
        return session.request({ ...headers, ":method": method, ":path": path });
      } catch (error) {
        if (session.isUsable) throw error;
        if (attempt < MOST_ATTEMPTS) continue;
        const problem = `connections to ${this.authority} end as soon as they begin`;
        throw new ConnectError(problem, Code.Unavailable, undefined, undefined, error);
      }
    }
  }

  notifyResponseByteRead(stream: ClientHttp2Stream): void {
    for (const session of this.#sessions) session.heard(stream);
  }

  /** Ends every session, and every call on them with CANCELED. A later call opens a new session. */
  abort(): void {
    this.#ends += 1;
    this.#current = undefined;
    for (const session of this.#sessions) session.destroy(aborted());
  }

  async #ready(ends: number): Promise<Session> {
    const known = this.#current;
    if (known?.isUsable) {
      await known.connected;
      if (known.isUsable && (await known.isAlive())) return known;
    }
    // This call began before everything was ended.
    if (this.#ends !== ends) throw aborted();
    // The first call that comes here opens another session, for all calls.
    if (this.#current === undefined || this.#current === known) this.#current = this.#open();
    const session = this.#current;
    await session.connected;
    return session;
  }

  #open(): Session {
    const ended = (): void => {
      this.#sessions.delete(session);
      if (this.#current === session) this.#current = undefined;
    };
    const slower = (): void => {
      this.#options = { ...this.#options, pingIntervalMs: this.#options.pingIntervalMs * 2 };
    };
    const session = new Session(this.authority, this.#options, ended, slower);
    this.#sessions.add(session);
    return session;
  }
}

const aborted = (): ConnectError => new ConnectError("connection aborted", Code.Canceled);
