import { step } from "../../../kernel/breakers/breaker.ts";
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
import { callsTogether, countTogether, type OutcomeTarget } from "../clients/outcomes.ts";
import type { RecordedRun, RecordedTransition, Recording } from "./recording.ts";

/** What a breaker did with calls, or would have done with them. */
export interface Course {
  /** `at` is wall time in ms. */
  readonly transitions: readonly RecordedTransition[];
  /** How often it became OPEN. */
  readonly openings: number;
  /** How long it was OPEN. */
  readonly openMs: number;
  /** Calls that asked for a permit. */
  readonly calls: number;
  /** Calls that it rejected. */
  readonly rejected: number;
  /** Calls that it let through although the real breaker had rejected them. Their outcomes are unknown. */
  readonly unknown: number;
}

export interface Simulation {
  /** Wall time in ms: the begin of the span, or of the recording if that is later. */
  readonly from: number;
  /** Wall time in ms: now, or earlier if more calls were recorded than one simulation replays. */
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
 * Replays the calls of a span with another configuration, and describes the result beside what really happened. The
 * simulated breaker is closed at first and has no override. It has no randomness: with jitter, each opening takes its
 * average time.
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

/** A breaker that replays recorded calls. Each call ends as soon as it has begun. */
class Replay implements OutcomeTarget {
  readonly config: BreakerConfig;
  readonly isolation = new Isolation();
  readonly transitions: RecordedTransition[] = [];
  machine: Machine = CLOSED;
  steps = 0;
  calls = 0;
  rejected = 0;
  unknown = 0;

  constructor(config: BreakerConfig) {
    this.config = config;
  }

  passTime(now: number): void {
    for (let due = nextTick(this.machine); due !== undefined && due <= now; due = nextTick(this.machine)) {
      this.apply({ type: "tick" }, due);
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
    // Calls that were not replayed do not belong to the result.
    this.calls -= left;
  }

  apply(event: Event, now: number): Step {
    this.steps += 1;
    const result = step(this.machine, event, this.config, momentOf(now));
    this.machine = result.machine;
    for (const { action, machine } of result.transitions) {
      this.transitions.push({ at: now, action, state: machine.automatic.state });
    }
    if (result.transitions.length > 0) this.isolation.clear();
    return result;
  }

  onIsolated(): void {}

  /** Lets calls go ahead under one permit. Returns how many; undefined if all are rejected. */
  #calls({ outcome, slow, client }: RecordedRun, left: number, now: number): number | undefined {
    const moment = momentOf(now);
    const alone = this.isolation.acquire(client, "probe", this.config, moment);
    const permit = alone ?? this.apply({ type: "acquire", leaseId: "probe", clientId: client }, now).permit;
    if (permit === undefined || !permit.allowed) return undefined;
    const { leaseId } = permit;
    const said = outcome === "REJECTED" ? "IGNORED" : outcome;
    // A probe is one call. If it is ignored, it frees its slot for the next call of the run, which is ignored too.
    const all = leaseId === undefined || said === "IGNORED" ? left : 1;
    const { epoch } = this.machine;
    const event = { type: "outcome", epoch, leaseId, outcome: said, slow, clientId: client, times: all } as const;
    const times = alone === undefined ? callsTogether(this, event, moment) : all;
    if (outcome === "REJECTED") this.unknown += times;
    const late = countTogether(this, { ...event, times: leaseId === undefined ? times : 1 }, moment);
    // The late calls came after it had opened.
    if (alone === undefined) this.rejected += late;
    return times;
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
