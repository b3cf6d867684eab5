import { callsUntilTrip, step } from "../../../kernel/breakers/breaker.ts";
import type { BreakerConfig } from "../../../kernel/breakers/config.ts";
import {
  type BreakerState,
  CLOSED,
  type Event,
  type Machine,
  type Moment,
  nextTick,
  type Step,
} from "../../../kernel/breakers/machine.ts";
import { Isolation } from "../clients/isolation.ts";
import type { RecordedRun, RecordedTransition, Recording } from "./recording.ts";

/** What a breaker did with calls, or would have done. */
export interface Course {
  /** `at` is wall time in ms. */
  readonly transitions: readonly RecordedTransition[];
  /** How often it became OPEN. */
  readonly openings: number;
  /** How long it was OPEN. */
  readonly openMs: number;
  /** Calls that wanted to go ahead. */
  readonly calls: number;
  /** Those of them that it rejected. */
  readonly rejected: number;
  /** Those that it let through and that were rejected in truth: nobody knows how they would have gone. */
  readonly unknown: number;
}

export interface Simulation {
  /** From when on, in wall time: where the span begins, or the recording if that is later. */
  readonly from: number;
  /** Until when: now, or sooner where more calls were recorded than a simulation looks at. */
  readonly to: number;
  readonly config: BreakerConfig;
  readonly actual: Course;
  readonly simulated: Course;
}

/** Monotonic ms. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/**
 * Steps of one simulation of a breaker. The simulation ends there, and its answer covers the time up to then.
 * @limit steps
 */
const MAX_STEPS = 200_000;

/**
 * What a breaker of that configuration, closed at first and without any override, would have done with the calls of that
 * span, beside what was done. Chance is left out: with jitter each opening lasts as long as it does on average.
 */
export function compare(recording: Recording, config: BreakerConfig, span: Span, wallOffset: number): Simulation {
  const { to, ...simulated } = simulate(recording.runs(span.from), config, span);
  const actual = actualCourse(recording.runs(span.from), recording.transitions(), { from: span.from, to });
  const toWall = (course: Course): Course => ({
    ...course,
    transitions: course.transitions.map((transition) => ({ ...transition, at: transition.at + wallOffset })),
  });
  return {
    from: span.from + wallOffset,
    to: to + wallOffset,
    config,
    actual: toWall(actual),
    simulated: toWall(simulated),
  };
}

function actualCourse(
  runs: Iterable<RecordedRun>,
  transitions: readonly RecordedTransition[],
  { from, to }: Span,
): Course {
  let calls = 0;
  let rejected = 0;
  for (const { outcome, count, at } of runs) {
    if (at > to) break;
    calls += count;
    if (outcome === "REJECTED") rejected += count;
  }
  const before = transitions.findLast(({ at }) => at < from);
  const within = transitions.filter(({ at }) => at >= from && at <= to);
  const start = before === undefined ? [] : [{ ...before, at: from }];
  return {
    transitions: within,
    openings: openings(within),
    openMs: openMs([...start, ...within], to),
    calls,
    rejected,
    unknown: 0,
  };
}

function simulate(runs: Iterable<RecordedRun>, config: BreakerConfig, { from, to }: Span): Course & { to: number } {
  const replay = new Replay(config);
  let end = to;
  for (const run of runs) {
    const now = Math.max(from, run.at);
    replay.passTime(now);
    replay.run(run, now);
    if (replay.steps < MAX_STEPS) continue;
    end = now;
    break;
  }
  replay.passTime(end);
  const { transitions, calls, rejected, unknown } = replay;
  return {
    transitions,
    openings: openings(transitions),
    openMs: openMs(transitions, end),
    calls,
    rejected,
    unknown,
    to: end,
  };
}

/** One breaker, call by call as they were recorded: each ends as soon as it has begun. */
class Replay {
  readonly #config: BreakerConfig;
  readonly #isolation = new Isolation();
  readonly transitions: RecordedTransition[] = [];
  #machine: Machine = CLOSED;
  steps = 0;
  calls = 0;
  rejected = 0;
  unknown = 0;

  constructor(config: BreakerConfig) {
    this.#config = config;
  }

  passTime(now: number): void {
    for (let due = nextTick(this.#machine); due !== undefined && due <= now; due = nextTick(this.#machine)) {
      this.#apply({ type: "tick" }, due);
    }
  }

  run(run: RecordedRun, now: number): void {
    this.calls += run.count;
    let left = run.count;
    while (left > 0 && this.steps < MAX_STEPS) {
      const done = this.#calls(run, left, now);
      if (done === undefined) {
        this.rejected += left;
        return;
      }
      left -= done;
    }
    // What was not looked at any more is no part of it.
    this.calls -= left;
  }

  /** Lets as many of the calls go ahead as one permit is for; undefined: they are all rejected. */
  #calls({ outcome, slow, client }: RecordedRun, left: number, now: number): number | undefined {
    const moment = momentOf(now);
    const alone = this.#isolation.acquire(client, "probe", this.#config, moment);
    const permit = alone ?? this.#apply({ type: "acquire", leaseId: "probe", clientId: client }, now).permit;
    if (permit === undefined || !permit.allowed) return undefined;
    const { leaseId } = permit;
    const said = outcome === "REJECTED" ? "IGNORED" : outcome;
    // A probe is one call; but one that says nothing leaves its slot to the next, which says nothing either.
    const all = leaseId === undefined || said === "IGNORED" ? left : 1;
    const asked = {
      type: "outcome",
      epoch: this.#machine.epoch,
      leaseId,
      outcome: said,
      slow,
      clientId: client,
    } as const;
    const times = alone === undefined ? this.#callsTogether({ ...asked, times: all }, moment) : all;
    if (outcome === "REJECTED") this.unknown += times;
    const event = { ...asked, times: leaseId === undefined ? times : 1 };
    if (alone !== undefined) {
      this.#isolation.outcome(event, this.#config, moment);
      return times;
    }
    const { late = 0, transitions } = this.#apply(event, now);
    // They came after it had tripped.
    this.rejected += late;
    if (transitions.length === 0 && this.#machine.automatic.state === "CLOSED" && this.#config.minReporters > 1) {
      const verdict = this.#isolation.observe(event, undefined, this.#config, moment);
      if (verdict !== undefined) this.#apply(verdict, now);
    }
    return times;
  }

  /** As many as have one effect together: up to the one that isolates the client, or opens the breaker. */
  #callsTogether(event: Extract<Event, { type: "outcome" }>, moment: Moment): number {
    const { times, leaseId } = event;
    if (times === 1 || leaseId !== undefined || this.#config.minReporters === 1) return times;
    const shared = callsUntilTrip(this.#machine, event, this.#config, moment.now) ?? times;
    return Math.min(shared, this.#isolation.callsUntil(event, undefined, this.#config, moment) ?? times);
  }

  #apply(event: Event, now: number): Step {
    this.steps += 1;
    const result = step(this.#machine, event, this.#config, momentOf(now));
    this.#machine = result.machine;
    for (const { action, machine } of result.transitions) {
      this.transitions.push({ at: now, action, state: machine.automatic.state });
    }
    if (result.transitions.length > 0) this.#isolation.clear();
    return result;
  }
}

const momentOf = (now: number): Moment => ({ now, random: () => 0.5 });

const openings = (transitions: readonly RecordedTransition[]): number =>
  transitions.filter(({ state }, index) => state === "OPEN" && transitions[index - 1]?.state !== "OPEN").length;

function openMs(transitions: readonly { readonly at: number; readonly state: BreakerState }[], to: number): number {
  return transitions.reduce((sum, { at, state }, index) => {
    if (state !== "OPEN") return sum;
    return sum + (transitions[index + 1]?.at ?? to) - at;
  }, 0);
}
