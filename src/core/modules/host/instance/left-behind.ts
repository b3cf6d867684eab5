import type { Aftermath } from "../types/host.ts";

interface Left {
  readonly origin: unknown;
  readonly over: PromiseWithResolvers<Aftermath>;
}

/** The calls of an instance whose callers have left, until the instance says that their methods have ended. */
export class LeftBehind {
  readonly #byId = new Map<number, Left>();
  readonly #byOrigin = new Map<unknown, Left>();
  /** Origins of calls that never began, which was known before they were given up. */
  readonly #dropped = new WeakSet<object>();

  get size(): number {
    return this.#byId.size;
  }

  add(id: number, origin: unknown): void {
    const left: Left = { origin, over: Promise.withResolvers() };
    this.#byId.set(id, left);
    if (origin !== undefined) this.#byOrigin.set(origin, left);
  }

  /** A call that was not given up yet never began. */
  drop(origin: unknown): void {
    if (typeof origin === "object" && origin !== null) this.#dropped.add(origin);
  }

  originOf(id: number): unknown {
    return this.#byId.get(id)?.origin;
  }

  /** Undefined: no call of this origin is among them, nor was dropped. */
  aftermath(origin: unknown): Promise<Aftermath> | undefined {
    if (this.#dropped.has(origin as object)) return Promise.resolve("DROPPED");
    return this.#byOrigin.get(origin)?.over.promise;
  }

  /** Whether the call was among them. */
  settle(id: number, aftermath: Aftermath): boolean {
    const left = this.#byId.get(id);
    if (left === undefined) return false;
    this.#byId.delete(id);
    if (this.#byOrigin.get(left.origin) === left) this.#byOrigin.delete(left.origin);
    left.over.resolve(aftermath);
    return true;
  }

  /** The instance has ended. */
  end(): void {
    for (const id of [...this.#byId.keys()]) this.settle(id, "UNKNOWN");
  }
}
