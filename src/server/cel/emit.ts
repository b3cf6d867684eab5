import { type Pattern, PROGRAM_VERSION, type Program, type ProgramNode, type Zone } from "../../core/index.ts";
import type { Term } from "./terms.ts";

export interface Limits {
  readonly maxSteps: number;
  readonly maxBytes: number;
}

/** Writes a term as a program. Also returns, for each node of the program, the node of the tree from which it was made. */
export function emit(
  root: Term,
  patterns: readonly Pattern[],
  zones: readonly Zone[],
  limits: Limits,
): { readonly program: Program; readonly ids: readonly unknown[] } {
  const nodes: ProgramNode[] = [];
  const ids: unknown[] = [];
  const place = ({ op, args, index, name, constant, id }: Term): number => {
    const placed = args.map(place);
    ids.push(id);
    return nodes.push({ op, args: placed, index, name, ...(constant === undefined ? {} : { constant }) }) - 1;
  };
  place(root);
  return { program: { version: PROGRAM_VERSION, nodes, patterns, zones, ...limits }, ids };
}
