import { readFileSync } from "node:fs";

/** What the exchange's ledger shows. */
export interface Verdict {
  readonly orders: number;
  /** Orders of a version that did not serve: before its switch, after it, or between the orders of its successor. */
  readonly outOfTurn: readonly string[];
  readonly twice: readonly string[];
  readonly lost: readonly string[];
}

/**
 * Checks that each order was placed exactly once. `feeds` has the next order number of each feed, as the feed knows it;
 * its orders are numbered from 1. `answered` has the orders of clients that were told that their order is placed.
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
    // An order that a version sends when it must not has the version's name. Version numbers rise.
    if (!/^\d+$/.test(number) || version < (versions.get(feed) ?? 0)) outOfTurn.push(line);
    versions.set(feed, Math.max(versions.get(feed) ?? 0, version));
  }
  const twice = [...counts].filter(([, count]) => count > 1).map(([id, count]) => `${id}, ${count} times`);
  const expected = [...answered, ...[...feeds].flatMap(([feed, next]) => numbered(feed, next))];
  const lost = expected.filter((id) => !counts.has(id));
  // If the ledger has more orders than a feed knows of, its successor would send one of them again.
  for (const [feed, next] of feeds)
    if (counts.has(`${feed}/${next}`)) twice.push(`${feed}/${next}, unknown to its feed`);
  return { orders: lines.length, outOfTurn, twice, lost };
}

function numbered(feed: string, next: number): readonly string[] {
  return Array.from({ length: next - 1 }, (_, index) => `${feed}/${index + 1}`);
}
