// A process that uses a store: `writer.ts <directory> hold | loop | fill`. Prints one JSON value per line.
import { writeSync } from "node:fs";
import { HeliosError } from "../../../src/core/errors/error.ts";
import { openSqliteStore } from "../../../src/core/store/sqlite/open.ts";
import type { Store } from "../../../src/core/store/store.ts";
import { systemClock } from "../../../src/kernel/clock.ts";

/** The change as the store must return it after the process was killed. */
export interface Acknowledged {
  readonly revision: number;
  readonly key: string;
  readonly value?: string;
}

/** The behaviour of a store on a full disk. */
export interface Filled {
  readonly acknowledged: readonly Acknowledged[];
  readonly refusals: readonly string[];
  readonly received: number;
  readonly revision: number;
}

/** The number of writes in each batch of `loop`. */
export const BATCHED = 5;
const cause = { action: "Write" };
const say = (value: unknown): void => void writeSync(1, `${JSON.stringify(value)}\n`);

async function loop(store: Store): Promise<void> {
  const write = async (lane: number, n: number): Promise<void> => {
    const key = `lane/${lane}-${n % 5}`;
    const value = JSON.stringify({ n, text: "x".repeat((n * 37) % 1500) });
    if (n % 7 === 6) {
      // All of them, or none: the reader counts the writes of a revision.
      const writes = [...Array(BATCHED).keys()].map((at) => ({ key: `batch/${lane}-${at}`, value }));
      const { revision = 0 } = await store.batch(writes, cause);
      for (const { key } of writes) say({ revision, key, value } satisfies Acknowledged);
    } else if (n % 11 === 10) {
      const revision = await store.delete(key, { cause });
      if (revision !== undefined) say({ revision, key } satisfies Acknowledged);
    } else {
      say({ revision: (await store.put(key, value, { cause })).revision, key, value } satisfies Acknowledged);
    }
  };
  const lane = async (id: number): Promise<void> => {
    for (let n = 0; ; n += 1) await write(id, n);
  };
  await Promise.all([lane(1), lane(2), lane(3)]);
}

async function fill(store: Store): Promise<void> {
  const acknowledged: Acknowledged[] = [];
  const refusals: string[] = [];
  let received = 0;
  await store.watch(0, () => {
    received += 1;
  });
  for (let n = 0; refusals.length < 20; n += 1) {
    const key = `k${n % 3}`;
    const value = JSON.stringify("x".repeat(2000 + n));
    await store.put(key, value, { cause }).then(
      ({ revision }) => acknowledged.push({ revision, key, value }),
      (error: unknown) => refusals.push(error instanceof HeliosError ? error.reason : String(error)),
    );
  }
  const { entries, revision } = await store.list("");
  for (const entry of entries) {
    const last = acknowledged.findLast(({ key }) => key === entry.key);
    if (last?.value !== entry.value) refusals.push(`${entry.key} is not what was acknowledged`);
  }
  say({ acknowledged, refusals, received, revision } satisfies Filled);
}

const [directory = "", mode] = process.argv.slice(2);
if (directory !== "") {
  try {
    const store = await openSqliteStore({ directory, clock: systemClock, newId: () => crypto.randomUUID() });
    say("open");
    if (mode === "loop") await loop(store);
    if (mode === "fill") await fill(store);
    if (mode === "hold") setInterval(() => {}, 1000);
  } catch (error) {
    say(error instanceof HeliosError ? error.reason : String(error));
  }
}
