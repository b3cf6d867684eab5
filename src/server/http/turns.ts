/** Size of the answers that are encoded in one turn of the event loop; further calls wait for the next. @limit bytes */
const BYTES_PER_TURN = 1024 * 1024;

/**
 * Spreads calls with large answers over turns of the event loop, so that answers are sent, or found to be too much, before
 * more are encoded. Small answers never wait.
 */
export class Turns {
  #spent = 0;
  #isTurning = false;
  #waiting: (() => void)[] = [];

  /** Whether the work must wait for its turn. */
  get mustWait(): boolean {
    return this.#waiting.length > 0 || this.#spent >= BYTES_PER_TURN;
  }

  /** Runs the work in its turn. */
  wait(work: () => void): void {
    this.#waiting.push(work);
    this.#turnSoon();
  }

  /** Notes the size of an answer. */
  spend(bytes: number): void {
    this.#spent += bytes;
    this.#turnSoon();
  }

  #turnSoon(): void {
    if (this.#isTurning) return;
    this.#isTurning = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isTurning = false;
    this.#spent = 0;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const [index, work] of waiting.entries()) {
      if (this.#spent >= BYTES_PER_TURN) {
        this.#waiting = [...waiting.slice(index), ...this.#waiting];
        break;
      }
      work();
    }
    if (this.#waiting.length > 0) this.#turnSoon();
  }
}
