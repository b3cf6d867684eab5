import { TYPE_NAMES } from "../../core/index.ts";
import { formsOf } from "./signatures.ts";
import { type Call, CelError, type CelNode, type Macro, type PlaceOf } from "./tree.ts";

/** The types that `type(x)` can be compared with. */
const TYPES: ReadonlySet<string> = new Set(TYPE_NAMES.filter((name) => !name.includes(".")));

/** The names that an expression may use. */
export interface Names {
  readonly variables: ReadonlySet<string>;
  /** Describes the error about an unknown name. */
  unknown(name: string): { readonly problem: string; readonly expected: string };
}

/** Refuses unknown functions, and names that are neither a variable (of the context or of a macro) nor a type. */
export function checkNames(root: CelNode, names: Names, placeOf: PlaceOf): void {
  const look = (node: unknown, bound: ReadonlySet<string>, outer: unknown): void => {
    if (Array.isArray(node)) {
      for (const each of node) look(each, bound, outer);
      return;
    }
    if (typeof node !== "object" || node === null) return;
    const { case: kind, value } = node as { case?: unknown; value?: unknown };
    const id = "id" in node ? node.id : outer;
    if (kind === "identExpr") {
      const { name } = value as { name: string };
      if (bound.has(name) || names.variables.has(name) || TYPES.has(name)) return;
      const { problem, expected } = names.unknown(name);
      throw new CelError(problem, expected, placeOf(id));
    }
    if (kind === "callExpr") {
      const { function: name } = value as Call;
      if (formsOf(name) === undefined) {
        throw new CelError(`there is no function ${name}`, "a function of CEL, such as startsWith", placeOf(id));
      }
    }
    if (kind === "comprehensionExpr") {
      const { iterRange, accuInit, iterVar, iterVar2, accuVar, loopCondition, loopStep, result } = value as Macro;
      look([iterRange, accuInit], bound, id);
      look([loopCondition, loopStep, result], new Set([...bound, iterVar, iterVar2, accuVar]), id);
      return;
    }
    for (const each of Object.values(node)) look(each, bound, id);
  };
  look(root, new Set(), root.id);
}
