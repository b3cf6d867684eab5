import type { EvaluationContext } from "../../../../src/kernel/flags/evaluation.ts";

/** For whom, or for what, a flag is decided. */
export type FlagContext = EvaluationContext;

/** Adds the client's own context to those of calls. A field of a call takes precedence; attributes are joined. */
export class DefaultContext {
  readonly #own: FlagContext;
  /** Used for every call, because a decision keeps nothing of it. A decision allocates nothing because of its context. */
  readonly #merged: { -readonly [Key in keyof FlagContext]: FlagContext[Key] };

  constructor(own: FlagContext) {
    const { sessionId, userId, symbol, system, attributes } = own;
    this.#own = { sessionId, userId, symbol, system, attributes };
    this.#merged = { ...this.#own };
  }

  /** The result is only valid until the next call. */
  with(given: FlagContext | undefined): FlagContext {
    const own = this.#own;
    if (given === undefined) return own;
    const merged = this.#merged;
    merged.sessionId = given.sessionId ?? own.sessionId;
    merged.userId = given.userId ?? own.userId;
    merged.symbol = given.symbol ?? own.symbol;
    merged.system = given.system ?? own.system;
    merged.attributes =
      given.attributes === undefined || own.attributes === undefined
        ? (given.attributes ?? own.attributes)
        : { ...own.attributes, ...given.attributes };
    return merged;
  }
}
