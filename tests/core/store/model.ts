import fc from "fast-check";
import { KEPT_CHANGES_PER_KEY } from "../../../src/core/store/retention.ts";
import type { Change, Entry, Store } from "../../../src/core/store/store.ts";
import { RevisionConflict } from "../../../src/core/store/store.ts";

/** The specification of a store, written as plainly as possible: every change so far, and how many are forgotten. */
export interface Model {
  readonly changes: Change[];
  compacted: number;
}

export type Command =
  | { readonly do: "put"; readonly key: string; readonly times: number; readonly at: "any" | "right" | "wrong" }
  | { readonly do: "delete"; readonly key: string; readonly at: "any" | "right" | "wrong" }
  | { readonly do: "batch"; readonly writes: readonly BatchCommand[] }
  | { readonly do: "compact"; readonly share: number };

interface BatchCommand {
  readonly key: string;
  readonly deletes: boolean;
  readonly at: "any" | "right" | "wrong";
}

const key = fc.constantFrom("a/1", "a/2", "a/2x", "b/1", "b/ä", "b/\u{1F600}", "b/\u{FF5E}");
const at = fc.constantFrom("any" as const, "right" as const, "wrong" as const);
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("put" as const), key, times: fc.integer({ min: 1, max: 4 }), at }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("put" as const),
      key,
      times: fc.integer({ min: 90, max: 130 }),
      at: fc.constant("any" as const),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("delete" as const), key, at }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("batch" as const),
      writes: fc.uniqueArray(
        fc.record({
          key,
          deletes: fc.boolean(),
          at: fc.constantFrom("any" as const, "right" as const, "right" as const, "right" as const, "wrong" as const),
        }),
        { maxLength: 7, selector: (write) => write.key },
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("compact" as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  },
);
export const commands = fc.array(command, { maxLength: 40 });

export function headOf(model: Model): number {
  return model.changes.at(-1)?.revision ?? 0;
}

export function entryOf(model: Model, key: string): Entry | undefined {
  const change = model.changes.findLast((candidate) => candidate.key === key);
  if (change?.value === undefined) return undefined;
  const { value, revision, createTime, time } = change;
  return { key, value, revision, createTime, updateTime: time };
}

export function entriesOf(model: Model, prefix = ""): Entry[] {
  const keys = [...new Set(model.changes.map((change) => change.key))].filter((key) => key.startsWith(prefix)).sort();
  return keys.map((key) => entryOf(model, key)).filter((entry) => entry !== undefined);
}

/** Returns the history of a key, newest first. */
export function historyOf(model: Model, key: string): Change[] {
  const { compacted } = model;
  const newestFirst = model.changes.filter((change) => change.key === key).reverse();
  const ended = newestFirst.find((change) => change.value === undefined && change.revision <= compacted)?.revision ?? 0;
  return newestFirst.filter(
    ({ revision }, index) => revision > compacted || (index < KEPT_CHANGES_PER_KEY && revision > ended),
  );
}

/** Does the same to the store and to the model, and checks that they agree. */
export async function runCommand(store: Store, model: Model, command: Command, now: number): Promise<void> {
  if (command.do === "compact") {
    const through = Math.floor(command.share * headOf(model));
    await store.compact(through);
    model.compacted = Math.max(model.compacted, through);
    return;
  }
  if (command.do === "batch") return runBatch(store, model, command.writes, now);
  const { key } = command;
  for (let time = 0; time < (command.do === "put" ? command.times : 1); time += 1) {
    const current = entryOf(model, key);
    const actual = current?.revision ?? 0;
    const cause = { action: command.do, actor: `nr ${headOf(model)}` };
    const options = {
      cause,
      ...(command.at === "any" ? {} : { ifRevision: command.at === "right" ? actual : actual + 1 }),
    };
    const revision = headOf(model) + 1;
    const value = command.do === "put" ? JSON.stringify({ n: revision, text: "ü\u{1F600}\u0000" }) : undefined;
    const change: Change = {
      key,
      revision,
      ...(value === undefined ? {} : { value }),
      ...(current === undefined ? {} : { previous: current.value }),
      time: now,
      createTime: current?.createTime ?? now,
      cause,
    };
    const write = value === undefined ? store.delete(key, options) : store.put(key, value, options);
    if (command.at === "wrong") {
      const error = await write.then(String, (thrown: unknown) => thrown);
      if (!(error instanceof RevisionConflict) || error.actualRevision !== actual || error.key !== key) throw error;
      continue;
    }
    const result = await write;
    if (value === undefined) {
      same(result, current === undefined ? undefined : revision);
      if (current === undefined) continue;
    } else {
      same(result, { key, value, revision, createTime: change.createTime, updateTime: now });
    }
    model.changes.push(change);
  }
}

async function runBatch(store: Store, model: Model, commands: readonly BatchCommand[], now: number): Promise<void> {
  const revision = headOf(model) + 1;
  const cause = { action: "batch", reason: `at ${revision}` };
  const writes = commands.map(({ key, deletes, at }, index) => {
    const actual = entryOf(model, key)?.revision ?? 0;
    const value = deletes ? undefined : JSON.stringify({ revision, index });
    return { key, value, ...(at === "any" ? {} : { ifRevision: at === "right" ? actual : actual + 1 }) };
  });
  const written = store.batch(writes, cause);
  const loser = commands.find(({ at }) => at === "wrong");
  if (loser !== undefined) {
    const error = await written.then(String, (thrown: unknown) => thrown);
    if (!(error instanceof RevisionConflict) || error.key !== loser.key) throw error;
    return;
  }
  const changes = writes.flatMap(({ key, value }): Change[] => {
    const current = entryOf(model, key);
    if (value === undefined && current === undefined) return [];
    return [
      {
        key,
        revision,
        ...(value === undefined ? {} : { value }),
        ...(current === undefined ? {} : { previous: current.value }),
        time: now,
        createTime: current?.createTime ?? now,
        cause,
      },
    ];
  });
  model.changes.push(...changes);
  same(await written, {
    revision: changes.length > 0 ? revision : undefined,
    entries: writes.map(({ key }) => entryOf(model, key)),
  });
}

function same(actual: unknown, expected: unknown): void {
  const [a, b] = [JSON.stringify(actual, sorted), JSON.stringify(expected, sorted)];
  if (a !== b) throw new Error(`the store says ${a}, the model ${b}`);
}

function sorted(_: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort());
}
