import {
  type DailyRecord,
  type DailyRecords,
  type DailyWrite,
  dayOf,
  oldestKeptDay,
  startOfDay,
} from "../../store/daily.ts";
import { AnswerSums } from "../counts/answers.ts";
import type { ClientDays } from "./clients.ts";
import type { PendingFlag } from "./pending.ts";
import { readClients, readDay, type UsageDay, writeClients, writeDay } from "./record.ts";

/** The usage of all flags in the store. All of it throws STORE_DAMAGED and STORE_UNAVAILABLE. */
export interface StoredUsage {
  /** Wall time in ms since which everything is recorded, apart from what `KEPT_DAYS` deletes. */
  readonly since: number;
  /** Wall time in ms. All deletions of flags before it were carried out. */
  readonly settledAt: number;
  /** Adds what was pending of a flag to what is stored. Returns the writes for that. `now` is wall time in ms. */
  merged(name: string, pending: PendingFlag, now: number): readonly DailyWrite[];
  /** Makes all writes, or none. */
  write(writes: readonly DailyWrite[], now: number): void;
  /** Notes that all deletions of flags before that wall time in ms were carried out. */
  settle(at: number, now: number): void;
  /** What is stored of a flag: its days, in no particular order, and its clients. */
  read(name: string): { readonly days: readonly StoredDay[]; readonly clients: ClientDays };
}

interface StoredDay extends UsageDay {
  readonly day: number;
}

/** The records about all flags. Flags' names have no slash. */
const SINCE = "usage/-/since";
const SETTLED = "usage/-/settled";
const NO_DAY = 0;

const dayKey = (name: string): string => `usage/${name}`;
const clientsKey = (name: string): string => `clients/${name}`;

/** Begins to record if the store has no usage yet. `now` is wall time in ms. */
export function openUsage(daily: DailyRecords, now: number): StoredUsage {
  let since = timeIn(daily.find(NO_DAY, SINCE)) ?? now;
  let settledAt = timeIn(daily.find(NO_DAY, SETTLED)) ?? now;

  const clientsOf = (name: string, now: number): DailyRecord | undefined => {
    const key = clientsKey(name);
    const today = daily.find(dayOf(now), key);
    return today === undefined ? daily.of(key).at(-1) : { day: dayOf(now), value: today };
  };

  const clientWrites = (name: string, { deletedAt, clients }: PendingFlag, now: number): readonly DailyWrite[] => {
    if (clients.size === 0) return [];
    const known = deletedAt === undefined ? clientsOf(name, now) : undefined;
    const all = readClients(known?.value);
    if (!all.merge(clients)) return [];
    const [key, day] = [clientsKey(name), all.newestDay() ?? NO_DAY];
    // The record of the clients is that of the newest day on which any of them reported.
    const moved = known === undefined || known.day === day ? [] : [{ day: known.day, key, value: undefined }];
    return [...moved, { day, key, value: writeClients(all) }];
  };

  const deletions = (name: string): readonly DailyWrite[] =>
    [dayKey(name), clientsKey(name)].flatMap((key) => daily.of(key).map(({ day }) => ({ day, key, value: undefined })));

  return {
    get since() {
      return since;
    },
    get settledAt() {
      return settledAt;
    },

    merged(name, pending, now) {
      const { deletedAt, days } = pending;
      const isAfresh = deletedAt !== undefined;
      const changed = isAfresh ? new Map([[dayOf(deletedAt), new AnswerSums()], ...days]) : days;
      const writes = [...changed].map(([day, counts]) => {
        const stored = readDay(isAfresh ? undefined : daily.find(day, dayKey(name)));
        stored.sums.addAll(counts.values());
        const since = isAfresh && day === dayOf(deletedAt) ? deletedAt : stored.since;
        return { day, key: dayKey(name), value: writeDay({ since, sums: stored.sums }) };
      });
      return [...(isAfresh ? deletions(name) : []), ...writes, ...clientWrites(name, pending, now)];
    },

    write(writes, now) {
      const early = daily.write(writes);
      if (early === undefined) return;
      since = Math.max(since, Math.min(now, startOfDay(early + 1)));
      daily.write([{ day: NO_DAY, key: SINCE, value: String(since) }]);
    },

    settle(at, now) {
      settledAt = at;
      this.write(
        [
          { day: NO_DAY, key: SINCE, value: String(since) },
          { day: NO_DAY, key: SETTLED, value: String(at) },
        ],
        now,
      );
    },

    read: (name) => ({
      days: daily.of(dayKey(name)).map(({ day, value }) => ({ day, ...readDay(value) })),
      clients: readClients(daily.of(clientsKey(name)).at(-1)?.value),
    }),
  };
}

/** Since when everything is recorded and kept, in wall time in ms. */
export function keptSince({ since }: StoredUsage, now: number): number {
  return Math.max(since, startOfDay(oldestKeptDay(now)));
}

function timeIn(text: string | undefined): number | undefined {
  const time = Number(text ?? Number.NaN);
  return Number.isFinite(time) ? time : undefined;
}
