import { encodedSize } from "../../json/size.ts";
import type { Payload } from "../../modules/host/types/host.ts";

/** A call that a stand-in answered. */
export interface StubCall {
  /** The method's name as the module spelled it. */
  readonly method: string;
  /** A JSON value, or bytes. */
  readonly input: unknown;
}

/** Calls of stand-ins that a run remembers; beyond them the oldest are forgotten. @limit calls */
const MAX_CALLS = 1000;
/** Size of the remembered inputs of calls to stand-ins in a run; beyond it the oldest are forgotten. @limit bytes */
const MAX_CALLS_BYTES = 4 * 1024 * 1024;

/** The last calls that the stand-ins of a run answered, in order. */
export class StubCalls {
  #kept: { readonly dependency: string; readonly call: StubCall; readonly bytes: number }[] = [];
  #forgotten = 0;
  #bytes = 0;

  /** The position of the next call, for `since`. */
  get position(): number {
    return this.#forgotten + this.#kept.length;
  }

  note(dependency: string, method: string, input: Payload): void {
    const content = "binary" in input ? input.binary : input.json;
    const bytes = "binary" in input ? input.binary.length : encodedSize(input.json);
    this.#kept.push({ dependency, call: { method, input: content }, bytes });
    this.#bytes += bytes;
    while (this.#kept.length > MAX_CALLS || (this.#bytes > MAX_CALLS_BYTES && this.#kept.length > 1)) {
      this.#bytes -= this.#kept.shift()?.bytes ?? 0;
      this.#forgotten += 1;
    }
  }

  since(position: number, dependency: string): readonly StubCall[] {
    return this.#kept
      .slice(Math.max(0, position - this.#forgotten))
      .filter((one) => one.dependency === dependency)
      .map(({ call }) => call);
  }
}
