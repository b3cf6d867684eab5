import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HeliosError } from "../../../../src/core/errors/error.ts";
import { printFlagsFile } from "../../../../src/core/flags/file/print.ts";
import { createFlags } from "../../../../src/core/flags/flags.ts";
import type { Flags } from "../../../../src/core/flags/types.ts";
import { Feed } from "../../../../src/core/store/feed.ts";
import { createMemoryStore } from "../../../../src/core/store/memory/store.ts";
import { createManualClock } from "../../../../src/kernel/clock.ts";
import { compileCondition } from "../../../../src/server/cel/condition.ts";
import { times } from "../../../effort.ts";
import { anyCharacter } from "../../../support/texts.ts";
import { fileFlags } from "./file-flags.ts";

/** A new seed for each run. The title of the tests shows it, and HELIOS_FUZZ_SEED repeats a run. */
const SEED = Number(process.env.HELIOS_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
const RUNS = times(100, 3000);
/** A time after all times of these flags, because a flag cannot be paused at a time in the future. */
const AFTERWARDS = 1_700_000_001_000;

const bytes = fc
  .oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.string({ unit: anyCharacter, maxLength: 100 }).map((text) => Buffer.from(text)),
  )
  .map((some) => Buffer.from(some).toString("utf8"));

const valid = fileFlags.map(printFlagsFile);

/** Changes that people and machines make to a text by accident. */
const torn = fc
  .tuple(valid, fc.nat(), fc.nat({ max: 40 }), fc.string({ maxLength: 3 }), fc.nat({ max: 5 }))
  .map(([text, place, length, other, how]) => {
    const at = place % (text.length + 1);
    const [before, after] = [text.slice(0, at), text.slice(at)];
    if (how === 0) return before;
    if (how === 1) return before + after.slice(length);
    if (how === 2) return before + after.slice(0, length) + after;
    if (how === 3) return before + other + after.slice(other.length);
    if (how === 4) return before + String.fromCharCode(place % 0x10000) + after.slice(1);
    return before + other + after;
  });

/** JSON of the right kind in which one member was replaced. */
const bent = fc
  .tuple(
    valid,
    fc.nat(),
    fc.oneof(fc.jsonValue(), fc.constantFrom("", "keep", "5s", 0, -1, 1e308, [], {}, ["a"])),
    fc.string(),
  )
  .map(([text, place, other, key]) => {
    const shape = JSON.parse(text) as Record<string, unknown>;
    const members: [Record<string, unknown>, string][] = [];
    const collect = (part: unknown): void => {
      if (typeof part !== "object" || part === null) return;
      for (const [name, value] of Object.entries(part)) {
        members.push([part as Record<string, unknown>, name]);
        collect(value);
      }
    };
    collect(shape);
    const [parent, name] = members[place % Math.max(1, members.length)] ?? [shape, key];
    // A list has a length of its own, which no file can set.
    if (place % 3 === 0 && !(Array.isArray(parent) && key === "length"))
      Reflect.defineProperty(parent, key, { value: other, enumerable: true, configurable: true });
    else if (place % 7 === 0) delete parent[name];
    else parent[name] = other;
    return JSON.stringify(shape, undefined, 1);
  });

/** A store of flags that a reload could damage. */
async function started(): Promise<{ flags: Flags; feed: Feed; write(text: string): void; state(): Promise<unknown> }> {
  const clock = createManualClock(AFTERWARDS);
  const store = createMemoryStore({ clock, incarnation: "incarnation" });
  const feed = new Feed(store);
  let text = JSON.stringify({ a: { enabled: true, strategy: "all_on" }, b: { enabled: false, strategy: "all_off" } });
  const flags = createFlags({
    feed,
    clock,
    log: () => {},
    file: { name: "flags.json", read: async () => text },
    compileCondition,
  });
  await feed.start();
  await flags.start();
  return {
    flags,
    feed,
    write: (next) => {
      text = next;
    },
    state: async () => (await store.list("")).entries,
  };
}

/** Reloads the text. Afterwards all of it is in force, or none of it. */
async function reload(text: string, mode: "MERGE" | "REPLACE"): Promise<void> {
  const { flags, feed, write, state } = await started();
  const before = { entries: await state(), revision: feed.revision };
  write(text);
  try {
    await flags.reload({ mode });
  } catch (error) {
    expect(error).toBeInstanceOf(HeliosError);
    const { reason, metadata } = error as HeliosError;
    expect(reason).toBe("FLAGS_FILE_INVALID");
    const { more, mistakes, ...first } = metadata;
    expect(Object.keys(first).sort()).toEqual(["expected", "file", "key", "line", "problem"]);
    expect(more === undefined).toBe(mistakes === undefined);
    if (more !== undefined) expect(more).toMatch(/^(\n(line \d+, .+|and \d+ more))+$/u);
    expect(Number(metadata.line)).toBeGreaterThan(0);
    for (const key of ["expected", "key", "problem"]) expect(metadata[key]).not.toBe("");
    expect({ entries: await state(), revision: feed.revision }).toEqual(before);
    return;
  }
  const again = await flags.reload({ mode, dryRun: true });
  expect(again.differences).toEqual([]);
  for (const { name } of flags.list()) flags.evaluate(name, { sessionId: "s", symbol: "BTCZAR" });
}

const mode = fc.constantFrom("MERGE", "REPLACE");

describe(`a flags file of any content (HELIOS_FUZZ_SEED=${SEED})`, () => {
  it.each([
    ["made of any bytes", bytes],
    ["a damaged valid file", torn],
    ["a valid file with one member replaced", bent],
    ["a valid file", valid],
  ])("a file that is %s is loaded as a whole, or refused with place and reason", async (_, texts) => {
    const options = { seed: SEED, numRuns: RUNS };
    await fc.assert(fc.asyncProperty(texts, mode, reload), options);
  });

  it("a file that is valid is loaded", async () => {
    const taken = async (text: string): Promise<void> => {
      const { flags, write } = await started();
      write(text);
      await flags.reload({ mode: "REPLACE" });
      expect(flags.list().map(({ name }) => name)).toEqual(Object.keys(JSON.parse(text) as object).sort());
    };
    await fc.assert(fc.asyncProperty(valid, taken), { seed: SEED, numRuns: times(100, 3000) });
  });

  it("a file with the deepest nesting or the longest chain of flags is handled like any other", async () => {
    await reload('{"a":'.repeat(5000), "MERGE");
    await reload(`{"a": {"enabled": true, "strategy": "all_on", "variants": ${"[".repeat(5000)}`, "MERGE");
    const chain = (closes: boolean): string =>
      JSON.stringify(
        Object.fromEntries(
          Array.from({ length: 2000 }, (_, index) => {
            const prerequisites = index === 1999 && !closes ? [] : [`f${(index + 1) % 2000}`];
            return [`f${index}`, { enabled: true, strategy: "all_on", prerequisites }];
          }),
        ),
      );
    await reload(chain(true), "MERGE");
    await reload(chain(false), "REPLACE");
  });
});
