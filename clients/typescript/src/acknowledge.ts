import { Code, ConnectError } from "@connectrpc/connect";
import { systemClock, type Timer } from "../../../src/kernel/clock.ts";

/** Acknowledges that everything up to a revision is applied, on the stream of that name. */
export type SendAcknowledgement = (revision: bigint, watchId: string, signal: AbortSignal) => Promise<unknown>;

/** Time that an acknowledgement may take; the next one makes up for a failed one. @limit ms */
export const ACKNOWLEDGE_TIMEOUT_MS = 5000;
/** Time that an applied change waits for others, so that a burst is acknowledged with one call. @limit ms */
const INTERVAL_MS = 100;

/**
 * Acknowledges what a watch has applied: the newest revision, at most every 100 ms, one call at a time. The next
 * acknowledgement makes up for one that fails. A service without acknowledgements is not called again.
 */
export class Acknowledger {
  readonly #send: SendAcknowledgement;
  readonly #stopped = new AbortController();
  #watchId = "";
  #applied = 0n;
  #acknowledged = -1n;
  #timer: Timer | undefined;
  #sending = false;

  constructor(send: SendAcknowledgement) {
    this.#send = send;
  }

  applied(revision: bigint, watchId: string): void {
    if (watchId !== this.#watchId) {
      // The service knows nothing yet about a new stream.
      this.#watchId = watchId;
      this.#acknowledged = -1n;
    }
    this.#applied = revision;
    this.#schedule();
  }

  stop(): void {
    this.#stopped.abort();
    this.#timer?.cancel();
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#sending || this.#stopped.signal.aborted) return;
    if (this.#watchId === "" || this.#applied <= this.#acknowledged) return;
    const due = (): void => {
      this.#timer = undefined;
      void this.#acknowledge(this.#applied, this.#watchId);
    };
    this.#timer = systemClock.setTimer(INTERVAL_MS, due, true);
  }

  async #acknowledge(revision: bigint, watchId: string): Promise<void> {
    this.#sending = true;
    try {
      await this.#send(revision, watchId, this.#stopped.signal);
      if (watchId === this.#watchId) this.#acknowledged = revision;
    } catch (error) {
      this.#sending = false;
      if (ConnectError.from(error).code === Code.Unimplemented) this.stop();
      return;
    }
    this.#sending = false;
    this.#schedule();
  }
}
