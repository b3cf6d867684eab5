import type { InstructionOp } from "../../../core/index.ts";
import type { Ranges } from "./classes.ts";

/** A place between two characters that an assertion asks for. */
export type Assertion = Exclude<InstructionOp, "MATCH" | "CHARACTER" | "SPLIT">;

/** A regular expression, read. What it captures, and how greedily, is of no matter: it matches or it does not. */
export type PatternNode =
  | { readonly kind: "class"; readonly ranges: Ranges }
  | { readonly kind: "assertion"; readonly op: Assertion }
  | { readonly kind: "sequence"; readonly parts: readonly PatternNode[] }
  | { readonly kind: "choice"; readonly parts: readonly PatternNode[] }
  | {
      readonly kind: "repeat";
      readonly body: PatternNode;
      readonly min: number;
      /** Infinity: no end. */
      readonly max: number;
    };

/** A pattern cannot be read. */
export class PatternError extends Error {
  override readonly name = "PatternError";
}
