import { type Clock, messageOf, type Timer } from "../../core/index.ts";

/**
 * Size of the lines that wait for a slow destination (a file, the standard output). Further lines are dropped and
 * counted. @limit bytes
 */
export const MAX_BUFFERED_LOG_BYTES = 8 * 1024 * 1024;

/** Size of one write to a log; the rest is written next. @limit bytes */
const MAX_WRITE_BYTES = 64 * 1024;
/** Time until a log destination with a slow reader is tried again. @limit ms */
const BUSY_RETRY_MS = 20;
/** Time until a log destination that cannot be written to is tried again. @limit ms */
const FAILED_RETRY_MS = 1000;
/** Time after which an unfinished write to a log is reported as a problem. @limit ms */
const STUCK_MS = 5000;

/** Where lines go. */
export interface Destination {
  /** The name in messages. */
  readonly name: string;
  /** Writes some of the bytes, at least one; resolves to how many. Never throws at once; one write at a time. */
  write(bytes: Uint8Array): Promise<number>;
  /** Told before each batch of whole lines, of which `bytes` are to be written. */
  prepare?(bytes: number): Promise<void>;
  /** Lets go of what is open; a later write opens it again. */
  close?(): Promise<void>;
}

/** How a place of logs is. */
export interface SinkStatus {
  readonly name: string;
  /** Why lines wait or are dropped; undefined: they are written. */
  readonly problem: string | undefined;
  /** Lines that were dropped since the start. */
  readonly dropped: number;
}

export interface SinkOptions {
  readonly destination: Destination;
  readonly clock: Clock;
  /** The line that tells of lines that were dropped, once writing goes on. */
  readonly notice: (dropped: number) => string;
  /** Told when writing begins to fail, and when it goes on. */
  readonly changed?: (status: SinkStatus) => void;
  /** Of lines that wait; default `MAX_BUFFERED_LOG_BYTES`. */
  readonly maxBytes?: number;
  /** Of lines that are written at once; default 64 KiB. One line is written whole, however long. */
  readonly maxWriteBytes?: number;
}

/**
 * Writes lines to a place that may be full, slow, stuck or gone. Taking a line never throws, waits or blocks: lines are
 * written one batch after the other, in the order in which they came; what does not fit into the buffer is dropped, and
 * counted.
 */
export class Sink {
  readonly #options: SinkOptions;
  readonly #maxBytes: number;
  #lines: string[] = [];
  #bytes = 0;
  /** What is being written. */
  #batch: Uint8Array = NOTHING;
  #dropped = 0;
  /** Of those, how many no line has told of. */
  #untold = 0;
  #problem: string | undefined;
  #writing: Promise<void> | undefined;
  #retry: Timer | undefined;
  #isOpen = false;
  /** When the place began to say that it is busy. */
  #busySince: number | undefined;

  constructor(options: SinkOptions) {
    this.#options = options;
    this.#maxBytes = options.maxBytes ?? MAX_BUFFERED_LOG_BYTES;
  }

  get status(): SinkStatus {
    return { name: this.#options.destination.name, problem: this.#problem, dropped: this.#dropped };
  }

  /** A write, or what prepares it, has not come back: it may hold a thread, and for ever. */
  get isBusy(): boolean {
    return this.#writing !== undefined;
  }

  /** Makes the place ready before the first line: whether it can be written is known then. */
  open(): void {
    this.#start();
  }

  write(line: string): void {
    const bytes = Buffer.byteLength(line);
    if (this.#bytes + this.#batch.length + bytes > this.#maxBytes) {
      this.#dropped += 1;
      this.#untold += 1;
      return;
    }
    this.#lines.push(line);
    this.#bytes += bytes;
    if (this.#retry === undefined) this.#start();
  }

  /** Resolves when all is written, or after `ms`; whether all is. What waits is tried at once. */
  flush(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const { clock } = this.#options;
      const end = (): void => {
        isLate = true;
        resolve(false);
      };
      const late = clock.setTimer(ms, end, true);
      const isDone = (): boolean => this.#lines.length === 0 && this.#batch.length === 0 && this.#untold === 0;
      let isLate = false;
      const look = (): void => {
        if (isLate) return;
        if (isDone()) {
          late.cancel();
          resolve(true);
          return;
        }
        if (this.#retry === undefined) this.#start();
        clock.setTimer(1, look, true);
      };
      if (!isDone()) {
        this.#retry?.cancel();
        this.#retry = undefined;
      }
      look();
    });
  }

  #start(): void {
    this.#writing ??= this.#work().finally(() => {
      this.#writing = undefined;
    });
  }

  async #work(): Promise<void> {
    const { clock, destination } = this.#options;
    const stuck = clock.setTimer(STUCK_MS, () => this.#fail(`a write has taken more than ${STUCK_MS / 1000} s`));
    try {
      if (!this.#isOpen) {
        await destination.prepare?.(0);
        this.#isOpen = true;
        // Where there is nothing to write, that it could be is all that is known.
        if (this.#lines.length === 0 && this.#problem !== undefined) this.#recover();
      }
      for (;;) {
        if (this.#batch.length === 0) {
          // Whoever has just logged goes on first; what is logged in the same turn goes together.
          await Promise.resolve();
          this.#batch = this.#take();
          if (this.#batch.length === 0) break;
          await destination.prepare?.(this.#batch.length);
        }
        const written = await destination.write(this.#batch);
        if (written === 0) throw new Error("nothing was written");
        this.#batch = this.#batch.subarray(written);
        this.#busySince = undefined;
        if (this.#problem !== undefined) this.#recover();
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const isBusy = code === "EAGAIN";
      this.#busySince ??= clock.monotonic();
      if (!isBusy) this.#fail(messageOf(error));
      else if (clock.monotonic() - this.#busySince >= STUCK_MS) this.#fail("whoever reads it has stopped reading");
      this.#retry = clock.setTimer(isBusy ? BUSY_RETRY_MS : FAILED_RETRY_MS, () => {
        this.#retry = undefined;
        this.#start();
      });
    } finally {
      stuck.cancel();
    }
  }

  /** As many whole lines as go at once, the notice of those that were dropped behind those that came before them. */
  #take(): Uint8Array {
    const { maxWriteBytes = MAX_WRITE_BYTES } = this.#options;
    let [count, bytes] = [0, 0];
    for (const line of this.#lines) {
      if (count > 0 && bytes + line.length > maxWriteBytes) break;
      count += 1;
      bytes += line.length;
    }
    const text = this.#lines.slice(0, count).join("");
    this.#lines = this.#lines.slice(count);
    const batch = Buffer.from(text);
    this.#bytes -= batch.length;
    if (this.#lines.length > 0 || this.#untold === 0) return batch;
    const notice = Buffer.from(this.#options.notice(this.#untold));
    this.#untold = 0;
    return Buffer.concat([batch, notice]);
  }

  #fail(problem: string): void {
    if (this.#problem !== undefined) return;
    this.#problem = problem;
    this.#options.changed?.(this.status);
  }

  #recover(): void {
    this.#problem = undefined;
    this.#options.changed?.(this.status);
  }
}

const NOTHING = new Uint8Array();
