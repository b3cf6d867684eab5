import { type Clock, messageOf, seconds, type Timer } from "../../core/index.ts";

/**
 * Size of the lines that wait for a slow destination (a file, the standard output). Further lines are dropped and
 * counted. @limit bytes
 */
const MAX_BUFFERED_LOG_BYTES = 8 * 1024 * 1024;

/** Size of one write to a log; the rest is written next. @limit bytes */
const MAX_WRITE_BYTES = 64 * 1024;
/** Time until a log destination with a slow reader is tried again. @limit ms */
const BUSY_RETRY_MS = 20;
/** Time until a log destination that cannot be written to is tried again. @limit ms */
const FAILED_RETRY_MS = 1000;
/** Time after which an unfinished write to a log is reported as a problem. @limit ms */
const STUCK_MS = 5000;

/** A place to which lines are written. */
export interface Destination {
  /** The name in messages. */
  readonly name: string;
  /**
   * Writes at least one of the bytes. Resolves to the number of written bytes. Rejects rather than throws. One write at a
   * time.
   */
  write(bytes: Uint8Array): Promise<number>;
  /** Called before each batch of whole lines with its size in bytes. */
  prepare?(bytes: number): Promise<void>;
  /** Closes what is open. A later write opens it again. */
  close?(): Promise<void>;
}

/** The state of a destination. */
export interface SinkStatus {
  readonly name: string;
  /** Why lines wait or are dropped. Undefined if they are written. */
  readonly problem: string | undefined;
  /** Number of lines that were dropped since the start. */
  readonly dropped: number;
}

export interface SinkOptions {
  readonly destination: Destination;
  readonly clock: Clock;
  /** Returns the line that says how many lines were dropped. It is written when writing works again. */
  readonly notice: (dropped: number) => string;
  /** Called when writing begins to fail, and when it works again. */
  readonly changed?: (status: SinkStatus) => void;
  /** Size of the queue in bytes. Default: `MAX_BUFFERED_LOG_BYTES`. */
  readonly maxBytes?: number;
  /** Size of one write in bytes. Default: 64 KiB. A line is never split. */
  readonly maxWriteBytes?: number;
}

/**
 * Writes lines to a destination that may be full, slow, stuck or gone. Adding a line never throws, waits or blocks. Lines
 * are written in batches, in order. Lines that do not fit into the queue are dropped and counted.
 */
export class Sink {
  readonly #options: SinkOptions;
  readonly #maxBytes: number;
  #lines: string[] = [];
  #bytes = 0;
  /** The batch that is being written. */
  #batch: Uint8Array = NOTHING;
  #dropped = 0;
  /** Number of dropped lines that were not reported yet. */
  #unreported = 0;
  #problem: string | undefined;
  #writing: Promise<void> | undefined;
  #retry: Timer | undefined;
  #isOpen = false;
  /** Monotonic time in ms at which the destination became busy. */
  #busySince: number | undefined;

  constructor(options: SinkOptions) {
    this.#options = options;
    this.#maxBytes = options.maxBytes ?? MAX_BUFFERED_LOG_BYTES;
  }

  get status(): SinkStatus {
    return { name: this.#options.destination.name, problem: this.#problem, dropped: this.#dropped };
  }

  /** Whether a write or its preparation is in progress. It may block a thread, even forever. */
  get isBusy(): boolean {
    return this.#writing !== undefined;
  }

  /** Prepares the destination before the first line, so that it is known whether it can be written. */
  open(): void {
    this.#start();
  }

  write(line: string): void {
    const bytes = Buffer.byteLength(line);
    if (this.#bytes + this.#batch.length + bytes > this.#maxBytes) {
      this.#dropped += 1;
      this.#unreported += 1;
      return;
    }
    this.#lines.push(line);
    this.#bytes += bytes;
    if (this.#retry === undefined) this.#start();
  }

  /** Writes all lines, retrying at once. Resolves to true when all are written, or to false after `ms`. */
  flush(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const { clock } = this.#options;
      const end = (): void => {
        isLate = true;
        resolve(false);
      };
      const late = clock.setTimer(ms, end, true);
      const isDone = (): boolean => this.#lines.length === 0 && this.#batch.length === 0 && this.#unreported === 0;
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
    const stuck = clock.setTimer(STUCK_MS, () =>
      this.#fail(`a write has been taking longer than ${seconds(STUCK_MS)}`),
    );
    try {
      if (!this.#isOpen) {
        await destination.prepare?.(0);
        this.#isOpen = true;
        // Without lines to write, the successful preparation shows that the destination works again.
        if (this.#lines.length === 0 && this.#problem !== undefined) this.#recover();
      }
      for (;;) {
        if (this.#batch.length === 0) {
          // The code that has just logged goes on first, and its further lines of this turn join the batch.
          await Promise.resolve();
          this.#batch = this.#take();
          if (this.#batch.length === 0) break;
          await destination.prepare?.(this.#batch.length);
        }
        const written = await destination.write(this.#batch);
        if (written === 0) throw new Error("the destination wrote 0 bytes");
        this.#batch = this.#batch.subarray(written);
        this.#busySince = undefined;
        if (this.#problem !== undefined) this.#recover();
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const isBusy = code === "EAGAIN";
      this.#busySince ??= clock.monotonic();
      if (!isBusy) this.#fail(messageOf(error));
      else if (clock.monotonic() - this.#busySince >= STUCK_MS) this.#fail("its reader has stopped reading");
      this.#retry = clock.setTimer(isBusy ? BUSY_RETRY_MS : FAILED_RETRY_MS, () => {
        this.#retry = undefined;
        this.#start();
      });
    } finally {
      stuck.cancel();
    }
  }

  /** Takes as many whole lines as fit into one write. The notice about dropped lines comes after the lines before them. */
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
    if (this.#lines.length > 0 || this.#unreported === 0) return batch;
    const notice = Buffer.from(this.#options.notice(this.#unreported));
    this.#unreported = 0;
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
