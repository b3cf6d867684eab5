/** Time until the service is asked again for a probe that it refused, or after a failed request for one. @limit ms */
const ASK_AGAIN_MS = 100;

/** The probes of one client. It asks for at most as many as all clients together may have. */
export class Probes {
  /** The end of each lease, by its id. */
  readonly #leases = new Map<string, number>();
  #asking = 0;
  #askAt = Number.NEGATIVE_INFINITY;

  /** How long to wait before the service is asked again. */
  waitMs(now: number): number {
    return Math.max(0, this.#askAt - now);
  }

  mayAsk(concurrency: number, now: number): boolean {
    for (const [id, end] of this.#leases) if (now >= end) this.#leases.delete(id);
    return now >= this.#askAt && this.#asking + this.#leases.size < concurrency;
  }

  asked(): void {
    this.#asking += 1;
  }

  answered(): void {
    this.#asking -= 1;
  }

  refused(now: number): void {
    this.#askAt = now + ASK_AGAIN_MS;
  }

  leased(id: string, until: number): void {
    this.#leases.set(id, until);
  }

  /** Called when the outcome of the probe has reached the service. */
  reported(id: string): void {
    this.#leases.delete(id);
  }

  /** Called when the state has changed. The leases are void, and the service may be asked at once. */
  clear(): void {
    this.#leases.clear();
    this.#askAt = Number.NEGATIVE_INFINITY;
  }
}
