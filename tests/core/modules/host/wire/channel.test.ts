import { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { expect, it } from "vitest";
import { readLines } from "../../../../../src/core/modules/host/wire/channel.ts";

async function linesOf(chunks: readonly string[]): Promise<readonly string[]> {
  const lines: string[] = [];
  const stream = Readable.from(chunks.map((chunk) => Buffer.from(chunk)));
  readLines(stream, (line) => void lines.push(line));
  await finished(stream);
  return lines;
}

const LONG = `Error: the feed is gone, ${"x".repeat(10_000)}`;

it.each([
  ["in one piece", [`${LONG}\nnext\n`]],
  ["in several pieces", [LONG.slice(0, 9000), LONG.slice(9000), "\nne", "xt\n"]],
  ["at the end", ["next\n", LONG.slice(0, 9000), LONG.slice(9000)]],
])("a long line that arrives %s is logged by its beginning, and its rest is cut", async (_, chunks) => {
  expect(await linesOf(chunks)).toHaveLength(2);
  expect(new Set(await linesOf(chunks))).toEqual(new Set([LONG.slice(0, 8192), "next"]));
});
