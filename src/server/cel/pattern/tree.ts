import type { InstructionOp } from "../../../core/index.ts";
import type { Ranges } from "./classes.ts";

/** A condition on a place between two characters. */
export type Assertion = Exclude<InstructionOp, "MATCH" | "CHARACTER" | "SPLIT">;

/** A parsed regular expression. Captures and greediness are dropped, because it only matters whether it matches. */
export type PatternNode =
  | { readonly kind: "class"; readonly ranges: Ranges }
  | { readonly kind: "assertion"; readonly op: Assertion }
  | { readonly kind: "sequence"; readonly parts: readonly PatternNode[] }
  | { readonly kind: "choice"; readonly parts: readonly PatternNode[] }
  | {
      readonly kind: "repeat";
      readonly body: PatternNode;
      readonly min: number;
      /** Infinity if the repetition has no upper bound. */
      readonly max: number;
    };

/** Thrown if a pattern cannot be parsed. */
export class PatternError extends Error {
  override readonly name = "PatternError";
}
