import type { Socket } from "node:net";
import type { Tracked, UnreadAnswer } from "../../http/slow-readers.ts";

/** Unread bytes of a socket from which its client must show progress. @limit bytes */
const WATCHED_BYTES = 64 * 1024;

/** Watches an answer whose client may be slow to read it. */
export type Track = (answer: UnreadAnswer) => Tracked;

/** Where the frames of a connection go. */
export interface Sink {
  write(bytes: Buffer, done?: (error?: Error | null) => void): void;
  /** Bytes that were written and not yet taken by the operating system. */
  readonly waiting: number;
  /** The operating system has taken everything, or the socket is closed. */
  drained(): void;
}

export interface SinkOptions {
  readonly socket: Pick<Socket, "write" | "writableLength">;
  readonly peer: string;
  readonly track: Track;
  /** Closes the connection, because its client reads nothing. */
  readonly cut: () => void;
}

/**
 * Writes to the socket of a connection. Answers that are here no longer belong to their calls, so while the socket holds many
 * bytes, its client counts as the reader of one answer.
 */
export class SocketSink implements Sink, UnreadAnswer {
  readonly path = "(all calls of a connection)";
  readonly #options: SinkOptions;
  #tracked: Tracked | undefined;

  constructor(options: SinkOptions) {
    this.#options = options;
  }

  get peer(): string {
    return this.#options.peer;
  }

  get waiting(): number {
    return this.#options.socket.writableLength;
  }

  write(bytes: Buffer, done?: (error?: Error | null) => void): void {
    const { socket, track } = this.#options;
    socket.write(bytes, done);
    if (this.#tracked !== undefined) this.#tracked.wrote(bytes.length);
    else if (this.waiting > WATCHED_BYTES) {
      this.#tracked = track(this);
      this.#tracked.wrote(this.waiting);
    }
  }

  drained(): void {
    this.#tracked?.ended();
    this.#tracked = undefined;
  }

  cut(): void {
    this.#tracked = undefined;
    this.#options.cut();
  }
}
