import type { Aftermath } from "../types/host.ts";

interface Left {
  readonly origin: unknown;
  readonly over: PromiseWithResolvers<Aftermath>;
}

/** Calls whose callers have left, until the instance reports that their methods have ended. */
export class LeftBehind {
  readonly #byId = new Map<number, Left>();
  readonly #byOrigin = new Map<unknown, Left>();
  /** Origins of calls that the instance dropped before their callers left. */
  readonly #dropped = new WeakSet<object>();

  get size(): number {
    return this.#byId.size;
  }

  add(id: number, origin: unknown): void {
    const left: Left = { origin, over: Promise.withResolvers() };
    this.#byId.set(id, left);
    if (origin !== undefined) this.#byOrigin.set(origin, left);
  }

  /** Records that the method of a call never began, although its caller had not left. */
  drop(origin: unknown): void {
    if (typeof origin === "object" && origin !== null) this.#dropped.add(origin);
  }

  originOf(id: number): unknown {
    return this.#byId.get(id)?.origin;
  }

  /** Returns undefined if no call of this origin is left behind or was dropped. */
  aftermath(origin: unknown): Promise<Aftermath> | undefined {
    if (this.#dropped.has(origin as object)) return Promise.resolve("DROPPED");
    return this.#byOrigin.get(origin)?.over.promise;
  }

  /** Records the end of a call. Returns whether its caller had left. */
  settle(id: number, aftermath: Aftermath): boolean {
    const left = this.#byId.get(id);
    if (left === undefined) return false;
    this.#byId.delete(id);
    if (this.#byOrigin.get(left.origin) === left) this.#byOrigin.delete(left.origin);
    left.over.resolve(aftermath);
    return true;
  }

  /** Records that the instance has ended. */
  end(): void {
    for (const id of [...this.#byId.keys()]) this.settle(id, "UNKNOWN");
  }
}
