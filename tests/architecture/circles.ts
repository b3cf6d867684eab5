import { posix } from "node:path";
import type { SourceFile } from "./imports.ts";

/** The targets of each node. Targets that are not nodes themselves are ignored. */
export type Graph = ReadonlyMap<string, readonly string[]>;

/** The graph of the files: which of them each imports, types included. */
export function fileGraph(files: readonly SourceFile[]): Graph {
  return new Map(files.map(({ path, imports }) => [path, imports.map(({ target }) => target)]));
}

/** The graph of the directories: from which of them each imports. A file at the top of `root` is a room of its own: a face. */
export function roomGraph(files: readonly SourceFile[], root: string): Graph {
  const roomOf = (path: string): string => (posix.dirname(path) === root ? path : posix.dirname(path));
  const rooms = new Map<string, Set<string>>();
  for (const { path, imports } of files) {
    const from = roomOf(path);
    const targets = rooms.get(from) ?? new Set();
    for (const { target } of imports) if (roomOf(target) !== from) targets.add(roomOf(target));
    rooms.set(from, targets);
  }
  return new Map([...rooms].map(([room, targets]) => [room, [...targets]]));
}

/** The circles of a graph: its strongly connected parts of more than one node, each as its sorted nodes (Tarjan, 1972). */
export function circlesIn(graph: Graph): readonly (readonly string[])[] {
  const found: string[][] = [];
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];
  const visit = (node: string): number => {
    let low = order.size;
    order.set(node, low);
    open.push(node);
    for (const next of graph.get(node) ?? []) {
      if (!graph.has(next)) continue;
      if (!order.has(next)) low = Math.min(low, visit(next));
      else if (open.includes(next)) low = Math.min(low, lowest.get(next) ?? order.get(next) ?? low);
    }
    lowest.set(node, low);
    if (low === order.get(node)) {
      const part = open.splice(open.indexOf(node));
      if (part.length > 1 || (graph.get(node) ?? []).includes(node)) found.push(part.sort());
    }
    return low;
  };
  for (const node of graph.keys()) if (!order.has(node)) visit(node);
  return found;
}
