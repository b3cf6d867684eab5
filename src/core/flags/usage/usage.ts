import type { Clock, Timer } from "../../../kernel/clock.ts";
import { Serial } from "../../async/serial.ts";
import { HeliosError, messageOf } from "../../errors/error.ts";
import type { Log } from "../../log.ts";
import { ReportLog } from "../../report-log.ts";
import { type DailyRecords, type DailyWrite, dayOf, KEPT_DAYS, startOfDay } from "../../store/daily.ts";
import { AnswerSums, OTHER_VARIANT } from "../counts/answers.ts";
import { Tallies } from "../counts/tally.ts";
import { inSlices } from "../evaluation/slices.ts";
import { asFlag, type Flag } from "../record.ts";
import type { FlagView } from "../view.ts";
import { ClientDays, clientNumber } from "./clients.ts";
import { FormerVariants } from "./former.ts";
import { PendingUsage } from "./pending.ts";
import { keptSince, openUsage, type StoredUsage } from "./stored.ts";
import type { FlagUsage, FlagUsages, UsageReport } from "./types.ts";
import { checkUsageReports, checkUsageWindow } from "./validate.ts";

/** How often the usage of flags is written. If the service is killed, that much of it is lost. @limit ms */
export const WRITE_USAGE_MS = 60_000;
/** The window of GetFlagUsage and ListFlags, unless the request has one. @limit days */
const DEFAULT_WINDOW_DAYS = 30;
/**
 * Records that are written in one transaction, and those of one flag more. Few enough that no call notices the pause, enough to
 * wait for the disk rarely.
 */
const WRITTEN_TOGETHER = 128;
const DAY_MS = startOfDay(1);

export interface FlagUsageDeps {
  readonly daily: DailyRecords;
  readonly clock: Clock;
  readonly log: Log;
  readonly view: FlagView;
  /** Lets other work run. */
  readonly pause: () => Promise<void>;
}

/** The usage of flags, with the part that the domain itself needs. */
export interface UsageRecorder extends FlagUsages {
  /** Counts the answers that the service gives. */
  readonly tallies: Tallies;
  /** Call it once the flags are loaded. */
  start(): void;
  /** Writes what was counted. Later counts are not kept. */
  close(): Promise<void>;
}

/** Call it before the feed is started. */
export function createFlagUsage({ daily, clock, log, view, pause }: FlagUsageDeps): UsageRecorder {
  const pending = new PendingUsage();
  const reports = new ReportLog();
  const former = new FormerVariants(view.collection, pause);
  const turns = new Serial();
  const tallies = new Tallies(() => writeLater());
  let stored: StoredUsage | undefined;
  let timer: Timer | undefined;
  let closed = false;

  const storage = (): StoredUsage => {
    stored ??= openUsage(daily, clock.now());
    return stored;
  };

  function writeLater(): void {
    if (closed) return;
    timer ??= clock.setTimer(WRITE_USAGE_MS, () => {
      timer = undefined;
      void turns
        .run(writeAll)
        .catch((error: unknown) => {
          const problem = messageOf(error);
          log("flags", "warn", "the usage of flags could not be written; it is tried again", { problem });
        })
        .then(() => {
          if (pending.size > 0 || tallies.size > 0) writeLater();
        });
    });
  }

  /** Moves what the service itself answered of a flag to what waits to be written. */
  const collect = (name: string): void => {
    const counts = tallies.take(name);
    // An evaluation of many flags may end after one of them was deleted.
    if (view.find(name) === undefined) return;
    for (const count of counts) pending.count(name, dayOf(count.lastTime), count);
  };

  /** Writes some of the names in one transaction, from a place on. Returns the place of the next. */
  const writeFrom = (names: readonly string[], start: number): number => {
    const now = clock.now();
    const writes: DailyWrite[] = [];
    let at = start;
    for (; at < names.length && writes.length < WRITTEN_TOGETHER; at += 1) {
      const name = names[at] as string;
      const flag = pending.get(name);
      if (flag !== undefined) writes.push(...storage().merged(name, flag, now));
    }
    storage().write(writes, now);
    // Nothing can have been counted since `merged`, because all of this runs in one piece.
    for (const name of names.slice(start, at)) pending.take(name);
    return at;
  };

  /** Writes in steps, between which other requests are served. */
  const writeAll = async (): Promise<void> => {
    const begun = clock.now();
    // What is counted from now on comes with the next writing, because this one would otherwise never end.
    await inSlices([...tallies.names()], collect, { clock, pause });
    const names = [...pending.names()];
    if (names.length === 0) return;
    for (let at = 0; at < names.length; await pause()) at = writeFrom(names, at);
    storage().settle(begun, clock.now());
  };

  view.collection.onApply((deltas) => {
    for (const { name, time, resource } of deltas) {
      if (asFlag(resource) !== undefined) continue;
      tallies.take(name);
      pending.forget(name, time);
      writeLater();
    }
  });

  const add = async ({ name, answers }: UsageReport, client: number): Promise<void> => {
    const flag = view.find(name);
    if (flag === undefined) return;
    const isPresent = (variant: string): boolean =>
      ALWAYS.has(variant) || flag.record.variants?.some((one) => one.name === variant) === true;
    const areKnown = answers.every(({ variant }) => isPresent(variant));
    // No report is refused because of an old change that cannot be read.
    const known = areKnown ? undefined : await former.of(name).catch(() => undefined);
    if (view.find(name) === undefined) return;
    const lastTime = clock.now();
    for (const answer of answers) {
      const isKnown = isPresent(answer.variant) || known?.has(answer.variant) === true;
      const variant = isKnown ? answer.variant : OTHER_VARIANT;
      pending.count(name, dayOf(lastTime), { ...answer, variant, lastTime });
    }
    pending.note(name, client, dayOf(lastTime));
  };

  const describe = (flag: Flag, windowMs: number): FlagUsage => {
    collect(flag.name);
    const now = clock.now();
    const from = dayOf(now - windowMs);
    const waiting = pending.get(flag.name);
    const sums = new AnswerSums();
    let since = Math.max(keptSince(storage(), now), flag.createTime, waiting?.deletedAt ?? 0);
    let lastTime: number | undefined;
    const include = (day: number, counts: AnswerSums): void => {
      if (day >= from) sums.addAll(counts.values());
      const last = counts.lastTime();
      if (last !== undefined) lastTime = Math.max(lastTime ?? last, last);
    };
    for (const [day, counts] of waiting?.days ?? []) include(day, counts);
    const records = waiting?.deletedAt === undefined ? storage().read(flag.name) : undefined;
    const clients = records?.clients ?? new ClientDays();
    if (records !== undefined) {
      for (const { day, since: begun, sums: counts } of records.days) {
        since = Math.max(since, begun ?? 0);
        include(day, counts);
      }
    }
    if (waiting !== undefined) clients.merge(waiting.clients);
    return {
      name: flag.name,
      lastTime,
      recordedSince: since,
      windowStart: startOfDay(from),
      ...clients.since(from),
      count: sums.total(),
      answers: sums.list(),
    };
  };

  return {
    tallies,

    start() {
      const { settledAt } = storage();
      // Flags that were deleted just before the service was killed.
      for (const resource of view.collection.values()) {
        if (asFlag(resource) !== undefined || resource.updateTime < settledAt) continue;
        pending.forget(resource.name, resource.updateTime);
      }
      if (pending.size > 0) writeLater();
    },

    usage(name, windowMs = DEFAULT_WINDOW_DAYS * DAY_MS) {
      checkUsageWindow(windowMs, KEPT_DAYS * DAY_MS);
      return describe(view.get(name), windowMs);
    },

    async reportUsage(clientId, seq, all, reporterId) {
      if (closed) throw HeliosError.of("SERVER_DRAINING", {});
      checkUsageReports(clientId, seq, all);
      const duplicate = !reports.isNew(clientId, seq, reporterId);
      const names = new Set(all.map(({ name }) => name));
      const unknownNames = [...names].filter((name) => view.find(name) === undefined);
      if (!duplicate) {
        const client = clientNumber(clientId);
        for (const report of all) await add(report, client);
        writeLater();
      }
      return { duplicate, unknownNames };
    },

    async close() {
      closed = true;
      timer?.cancel();
      await turns.run(writeAll).catch((error: unknown) => {
        log("flags", "warn", "the usage of flags since the last write is lost", { problem: messageOf(error) });
      });
    },
  };
}

/** Variants that every flag has. Empty: the default of a client's caller. */
const ALWAYS: ReadonlySet<string> = new Set(["", "on", "off"]);
