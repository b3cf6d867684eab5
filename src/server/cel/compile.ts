import type { Program } from "../../core/index.ts";
import { emit, type Limits } from "./emit.ts";
import { fold } from "./fold.ts";
import { checkNames, type Names } from "./names.ts";
import { type Roots, termsOf } from "./terms.ts";
import { CelError, isTooDeep, treeOf } from "./tree.ts";
import { type CelNames, CelTypeError, typeOf } from "./types.ts";

/** What an expression is compiled for: its names, types and limits. */
export interface Purpose {
  readonly names: Names;
  readonly types: CelNames;
  readonly roots: Roots;
  readonly limits: Limits;
}

export interface Compiled {
  readonly program: Program;
  /** Returns the line and column of the expression from which a node of the program was made, if they are known. */
  placeOf(node: number): string | undefined;
}

/**
 * Compiles a CEL expression that results in true or false to a program. Throws a CelError that says what is wrong, where,
 * and what was expected. It also throws if the expression could never be evaluated.
 */
export function compile(source: string, { names, types, roots, limits }: Purpose): Compiled {
  try {
    const { root, placeOf } = treeOf(source);
    checkNames(root, names, placeOf);
    const type = typed(() => typeOf(root, types), placeOf);
    if (type !== "bool" && type !== "json" && type !== "dyn") {
      throw new CelError(`it is of type ${type}`, "true or false", placeOf(root.id));
    }
    const { term, patterns, zones } = fold(termsOf(root, roots, placeOf), limits, placeOf);
    const { program, ids } = emit(term, patterns, zones, limits);
    return { program, placeOf: (node) => placeOf(ids[node]) };
  } catch (error) {
    if (isTooDeep(error)) throw new CelError("it is nested too deeply", "a simpler expression");
    throw error;
  }
}

function typed<T>(check: () => T, placeOf: (id: unknown) => string | undefined): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof CelTypeError) throw new CelError(error.message, error.expected, placeOf(error.id));
    throw error;
  }
}
