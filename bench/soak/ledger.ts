import { readFileSync } from "node:fs";

/** What the exchange has written down. */
export interface Verdict {
  readonly orders: number;
  /** By what did not serve: before its switch, after it, or between the orders of its successor. */
  readonly outOfTurn: readonly string[];
  readonly twice: readonly string[];
  readonly lost: readonly string[];
}

/**
 * Looks whether each order is there once. `feeds`: of each feed, the number of its next order as it knows; its orders are
 * numbered from 1. `answered`: the orders of clients that were told that theirs is placed.
 */
export function judge(file: string, feeds: ReadonlyMap<string, number>, answered: ReadonlySet<string>): Verdict {
  const lines = readFileSync(file, "utf8").split("\n").filter(Boolean);
  const counts = new Map<string, number>();
  const outOfTurn: string[] = [];
  const versions = new Map<string, number>();
  for (const line of lines) {
    const [id = "", by = ""] = line.split("\t");
    counts.set(id, (counts.get(id) ?? 0) + 1);
    const [feed = "", number] = id.split("/");
    if (number === undefined) continue;
    const version = Number(/\d+/.exec(by)?.[0]);
    // An order that a version sends when it must not is named after it. Versions count up.
    if (!/^\d+$/.test(number) || version < (versions.get(feed) ?? 0)) outOfTurn.push(line);
    versions.set(feed, Math.max(versions.get(feed) ?? 0, version));
  }
  const twice = [...counts].filter(([, count]) => count > 1).map(([id, count]) => `${id}, ${count} times`);
  const expected = [...answered, ...[...feeds].flatMap(([feed, next]) => numbered(feed, next))];
  const lost = expected.filter((id) => !counts.has(id));
  // More than a feed knows of is an order that its successor would send again.
  for (const [feed, next] of feeds)
    if (counts.has(`${feed}/${next}`)) twice.push(`${feed}/${next}, unknown to its feed`);
  return { orders: lines.length, outOfTurn, twice, lost };
}

function numbered(feed: string, next: number): readonly string[] {
  return Array.from({ length: next - 1 }, (_, index) => `${feed}/${index + 1}`);
}
