/**
 * Size of the records by day on disk. Beyond it those of the oldest day are deleted early: the usage of flags is then known
 * for a shorter time. @limit bytes
 */
export const MAX_DAILY_BYTES_ON_DISK = 512 * 1024 * 1024;
/** Size of the records by day that a store in memory keeps. Beyond it those of the oldest day are deleted early. @limit bytes */
const MAX_DAILY_BYTES_IN_MEMORY = 64 * 1024 * 1024;
/** Days for which records by day are kept, such as the usage of flags. Older ones are deleted. @limit days */
export const KEPT_DAYS = 90;
/** Bytes that a record takes in addition to its texts. */
const RECORD_OVERHEAD = 16;
/** In ms. */
const DAY_LENGTH = 86_400_000;

/** The number of the UTC day of a wall time in ms. Day 0 is 1970-01-01. */
export function dayOf(ms: number): number {
  return Math.floor(ms / DAY_LENGTH);
}

/** The wall time in ms at which a day begins. */
export function startOfDay(day: number): number {
  return day * DAY_LENGTH;
}

/** The oldest day that is kept at a wall time in ms. */
export function oldestKeptDay(now: number): number {
  return dayOf(now) - KEPT_DAYS;
}

/** What to store for one key of one day. */
export interface DailyWrite {
  readonly day: number;
  readonly key: string;
  /** Undefined deletes the record. */
  readonly value: string | undefined;
}

/** What is stored for one key on one day. */
export interface DailyRecord {
  readonly day: number;
  readonly value: string;
}

/**
 * Texts by day and key, such as telemetry. They are not part of the watched state: writing them does not raise the revision,
 * and watchers do not see them. Records older than `KEPT_DAYS` are deleted, except those of day 0, which belong to no day. If
 * all records together take too many bytes, those of the oldest day are deleted early.
 */
export interface DailyRecords {
  /** The records of a key on all days above 0, the oldest first. */
  of(key: string): readonly DailyRecord[];
  find(day: number, key: string): string | undefined;
  /**
   * Makes all writes, or none, as durably as a write of the state. Returns the newest day of which records had to be deleted
   * early, if there is one. Throws STORE_UNAVAILABLE.
   */
  write(writes: readonly DailyWrite[]): number | undefined;
}

/** Limits of the records by day. */
export interface DailyLimits {
  /** Bytes of all records. Absent: the default for the disk or for memory. */
  readonly dailyBytes?: number | undefined;
}

/** Approximate size of a record, in bytes. */
export function dailySize(key: string, value: string): number {
  return key.length + value.length + RECORD_OVERHEAD;
}

/** Records in memory. They are lost when the process ends. */
export class MemoryDaily implements DailyRecords {
  readonly #limit: number;
  readonly #days = new Map<number, Map<string, string>>();
  #bytes = 0;

  constructor({ dailyBytes = MAX_DAILY_BYTES_IN_MEMORY }: DailyLimits) {
    this.#limit = dailyBytes;
  }

  of(key: string): readonly DailyRecord[] {
    return this.#daysUp().flatMap((day) => {
      const value = this.find(day, key);
      return value === undefined ? [] : [{ day, value }];
    });
  }

  find(day: number, key: string): string | undefined {
    return this.#days.get(day)?.get(key);
  }

  write(writes: readonly DailyWrite[]): number | undefined {
    for (const { day, key, value } of writes) {
      this.#delete(day, key);
      if (value === undefined) continue;
      const records = this.#days.get(day) ?? new Map<string, string>();
      this.#days.set(day, records.set(key, value));
      this.#bytes += dailySize(key, value);
    }
    let early: number | undefined;
    for (const day of this.#daysUp()) {
      for (const key of [...(this.#days.get(day)?.keys() ?? [])]) {
        if (this.#bytes <= this.#limit) return early;
        this.#delete(day, key);
        early = day;
      }
    }
    return early;
  }

  /** Deletes what is older than `KEPT_DAYS`. */
  sweep(now: number): void {
    for (const day of this.#daysUp()) {
      if (day >= oldestKeptDay(now)) return;
      for (const key of [...(this.#days.get(day)?.keys() ?? [])]) this.#delete(day, key);
    }
  }

  #daysUp(): readonly number[] {
    return [...this.#days.keys()].filter((day) => day > 0).sort((a, b) => a - b);
  }

  #delete(day: number, key: string): void {
    const records = this.#days.get(day);
    const value = records?.get(key);
    if (records === undefined || value === undefined) return;
    this.#bytes -= dailySize(key, value);
    records.delete(key);
    if (records.size === 0) this.#days.delete(day);
  }
}
