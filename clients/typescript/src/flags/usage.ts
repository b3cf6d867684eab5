import { ErrorCode, Reason } from "../../../../gen/helios/v1/flag_pb.ts";
import type { Clock, Timer } from "../../../../src/kernel/clock.ts";
import type { Evaluation } from "../../../../src/kernel/flags/evaluation.ts";

/** Time between two reports of usage, on average. @limit ms */
const REPORT_MS = 60_000;
/** Share of that time by which reports come earlier or later, so that the reports of many processes are spread. */
const JITTER = 0.2;
/** Size of the reports in one request, by an upper estimate. The service accepts 64 KiB. @limit bytes */
const MAX_REPORT_BYTES = 48 * 1024;
/** Flags in one request, as many as the contract allows. @limit flags */
const MOST_FLAGS = 1000;
/** Different answers of a flag that are counted apart until they are reported; others are left out. @limit answers */
const MOST_ANSWERS = 256;
/** Upper estimate of the bytes of a flag or an answer in addition to its name. */
const OVERHEAD_BYTES = 32;
const UTF8_BYTES = 3;

/** How often a flag gave one answer. */
export interface AnswerCount {
  readonly variant: string;
  readonly reason: Reason;
  readonly errorCode: ErrorCode;
  count: bigint;
}

export interface UsageReport {
  readonly name: string;
  readonly answers: readonly AnswerCount[];
}

export interface UsageDeps {
  readonly clock: Clock;
  readonly random: () => number;
  /** Sends a report. The same `seq` always has the same content. Rejects if it is not known to have arrived. */
  readonly send: (seq: bigint, periodMs: number, reports: readonly UsageReport[]) => Promise<unknown>;
}

interface Counter {
  readonly variant: string;
  readonly reason: Evaluation["reason"] | "UNSUPPORTED";
  readonly errorCode: Evaluation["errorCode"];
  count: number;
}

interface Request {
  readonly seq: bigint;
  readonly reports: readonly UsageReport[];
  readonly periodMs: number;
}

/**
 * Counts how often each flag gave each answer, and reports the counts about once a minute. Nobody waits for a report. One that
 * fails is sent again unchanged with the next, so that it counts once; until then the counts go on growing in the same place.
 */
export class Usage {
  readonly #deps: UsageDeps;
  #counters = new Map<string, Counter[]>();
  #since: number;
  #unsent: Request[] = [];
  #seq = 0n;
  #timer: Timer | undefined;
  #sending: Promise<void> | undefined;
  #isClosed = false;

  constructor(deps: UsageDeps) {
    this.#deps = deps;
    this.#since = deps.clock.monotonic();
    this.#schedule();
  }

  /** Counts an answer. Allocates nothing, unless the flag gives this answer for the first time since the last report. */
  count(name: string, answer: Evaluation | "UNSUPPORTED"): void {
    let counters = this.#counters.get(name);
    if (counters === undefined) {
      counters = [];
      this.#counters.set(name, counters);
    }
    const isUnsupported = answer === "UNSUPPORTED";
    const variant = isUnsupported ? "" : answer.variant;
    const reason = isUnsupported ? answer : answer.reason;
    const errorCode = isUnsupported ? undefined : answer.errorCode;
    for (let at = 0; at < counters.length; at += 1) {
      const one = counters[at] as Counter;
      if (one.variant !== variant || one.reason !== reason || one.errorCode !== errorCode) continue;
      one.count += 1;
      return;
    }
    if (counters.length < MOST_ANSWERS) counters.push({ variant, reason, errorCode, count: 1 });
  }

  /** Reports what is left, once, and stops. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#sending;
    await this.#report();
  }

  #schedule(): void {
    const { clock, random } = this.#deps;
    const delayMs = REPORT_MS * (1 + JITTER * (2 * random() - 1));
    this.#timer = clock.setTimer(delayMs, () => {
      this.#sending = this.#report().finally(() => {
        this.#sending = undefined;
        if (!this.#isClosed) this.#schedule();
      });
    });
  }

  async #report(): Promise<void> {
    // Until all of the last report has arrived, no new one is made.
    if (this.#unsent.length === 0) this.#unsent = this.#take();
    for (let next = this.#unsent[0]; next !== undefined; next = this.#unsent[0]) {
      try {
        await this.#deps.send(next.seq, next.periodMs, next.reports);
      } catch {
        return;
      }
      this.#unsent.shift();
    }
  }

  /** Divides what was counted into requests, and begins to count anew. */
  #take(): Request[] {
    const counters = this.#counters;
    const now = this.#deps.clock.monotonic();
    const periodMs = now - this.#since;
    this.#counters = new Map();
    this.#since = now;
    const requests: Request[] = [];
    let reports: UsageReport[] = [];
    let bytes = 0;
    const end = (): void => {
      if (reports.length === 0) return;
      this.#seq += 1n;
      requests.push({ seq: this.#seq, periodMs, reports });
      reports = [];
      bytes = 0;
    };
    for (const [name, all] of counters) {
      for (let at = 0; at < all.length; ) {
        const answers: AnswerCount[] = [];
        bytes += OVERHEAD_BYTES + name.length * UTF8_BYTES;
        while (at < all.length && (answers.length === 0 || bytes < MAX_REPORT_BYTES)) {
          const one = all[at] as Counter;
          bytes += OVERHEAD_BYTES + one.variant.length * UTF8_BYTES;
          answers.push(toCount(one));
          at += 1;
        }
        reports.push({ name, answers });
        if (bytes >= MAX_REPORT_BYTES || reports.length >= MOST_FLAGS) end();
      }
    }
    end();
    return requests;
  }
}

function toCount({ variant, reason, errorCode, count }: Counter): AnswerCount {
  if (reason === "UNSUPPORTED") {
    return { variant, reason: Reason.ERROR, errorCode: ErrorCode.UNSUPPORTED, count: BigInt(count) };
  }
  return { variant, reason: Reason[reason], errorCode: ErrorCode[errorCode ?? "UNSPECIFIED"], count: BigInt(count) };
}
