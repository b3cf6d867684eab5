import { beforeEach, describe, expect, it } from "vitest";
import {
  createManualClock,
  createMemoryStore,
  Feed,
  isReason,
  type Run,
  type RunProgress,
  type Store,
  silentLog,
  type TestedInstance,
} from "../../../../src/core/index.ts";
import type { Ending, Instance } from "../../../../src/core/modules/host/types/host.ts";
import { createExecutor, type Executor } from "../../../../src/core/testing/runs/execute.ts";
import type { Job } from "../../../../src/core/testing/runs/job.ts";
import { createRuns, type Runs } from "../../../../src/core/testing/runs/runs.ts";
import { createTurns } from "../../../../src/core/testing/runs/turns.ts";
import type { OpenSuite } from "../../../../src/core/testing/suites/source.ts";
import { STARTS, type Test } from "../../../../src/core/testing/suites/suite.ts";
import { turn } from "../../../support/turns.ts";

const clock = createManualClock();
let store: Store;
let runs: Runs;
let executor: Executor;

beforeEach(async () => {
  store = createMemoryStore({ clock, incarnation: "one" });
  const feed = new Feed(store);
  runs = createRuns(feed, clock, silentLog);
  let ids = 0;
  const newId = (): string => `run-${++ids}`;
  executor = createExecutor({ runs, turns: createTurns(1, 2), clock, newId, log: silentLog });
  await feed.start();
});

/** A candidate that does nothing, with a record of what happened to it. */
function candidate(): TestedInstance & { readonly stopped: () => boolean; end(how: Ending): void } {
  const { promise: ended, resolve: end } = Promise.withResolvers<Ending>();
  let stopped = false;
  const instance = {
    shape: { methods: ["answer"], version: "1", hasHealth: false, hasState: false },
    ended,
    async invoke() {
      await ended;
      throw new Error("it ended while it was needed");
    },
    async stop() {
      stopped = true;
    },
  } as unknown as Instance;
  const code = { modulePath: "m.ts", version: "2.0.0", sha256: "abc", artifact: "def" };
  return { name: "m", instance, ...code, stopped: () => stopped, end };
}

const passing: Test = { ...STARTS, name: "passes" };
const calling: Test = { ...STARTS, name: "calls", run: (instance) => instance.call("answer") };

function job(more: Partial<Job> = {}): Job {
  const code = { modulePath: "m.ts", version: "", sha256: "abc", artifact: "def" };
  return {
    record: { module: "m", suite: "s", target: "FRESH", config: {}, cause: { action: "RunTests" }, ...code },
    source: { tests: [passing] },
    start: async () => candidate(),
    owned: true,
    urgent: false,
    ...more,
  };
}

/** A job that waits at some point until the test lets it continue. */
function held(more: Partial<Job> = {}) {
  const { promise, resolve } = Promise.withResolvers<TestedInstance>();
  return { job: job({ start: () => promise, ...more }), goOn: resolve };
}

const states = (): Record<string, string> =>
  Object.fromEntries(runs.list().map(({ name, record }) => [name, record.state]));

const outcomes = ({ record }: Run): string[] => record.tests.map(({ outcome }) => outcome);

describe("a run", () => {
  it("is stored as RUNNING from the moment it is accepted, even while it waits in the queue", async () => {
    const first = held();
    const ended = [executor.execute(first.job), executor.execute(job())];
    await turn();
    expect(states()).toEqual({ "run-1": "RUNNING", "run-2": "RUNNING" });
    expect(runs.get("run-1").record).toMatchObject({ version: "", artifact: "def", totalTests: 1 });
    first.goOn(candidate());
    await Promise.all(ended);
    expect(states()).toEqual({ "run-1": "COMPLETED", "run-2": "COMPLETED" });
    expect(runs.get("run-1").record).toMatchObject({ version: "2.0.0", passed: true });
  });

  it("is refused if too many wait, and leaves nothing", async () => {
    const first = held();
    const accepted = [first.job, job(), job()].map((each) => executor.execute(each));
    const refusal: unknown = await executor.execute(job()).catch((error: unknown) => error);
    expect(isReason(refusal, "TEST_RUNS_OVERLOADED")).toBe(true);
    first.goOn(candidate());
    await Promise.all(accepted);
    expect(Object.keys(states())).toEqual(["run-3", "run-2", "run-1"]);
  });

  it("does not wait for other runs if it is a gate", async () => {
    const first = held();
    const waiting = [first.job, job()].map((each) => executor.execute(each));
    expect((await executor.execute(job({ urgent: true }))).record).toMatchObject({ state: "COMPLETED", passed: true });
    expect(states()).toMatchObject({ "run-1": "RUNNING", "run-2": "RUNNING" });
    first.goOn(candidate());
    await Promise.all(waiting);
  });

  it("is cancelled while it waits in the queue", async () => {
    const first = held();
    const before = executor.execute(first.job);
    void executor.execute(job());
    await turn();
    const cancelled = await executor.cancel("run-2");
    expect(cancelled?.record).toMatchObject({ state: "CANCELLED", passed: false, totalTests: 1 });
    expect(cancelled?.record.tests).toMatchObject([{ outcome: "SKIPPED", message: "the run was cancelled" }]);
    first.goOn(candidate());
    expect((await before).record.state).toBe("COMPLETED");
  });

  it("is cancelled while its instance starts: the instance is stopped, and only then the next run starts", async () => {
    const first = held();
    void executor.execute(first.job);
    const next = executor.execute(job());
    await turn();
    expect((await executor.cancel("run-1"))?.record.state).toBe("CANCELLED");
    await turn();
    expect(states()["run-2"]).toBe("RUNNING");
    const late = candidate();
    first.goOn(late);
    expect((await next).record.state).toBe("COMPLETED");
    expect(late.stopped()).toBe(true);
  });

  it("is cancelled while its suite starts, and the suite is ended", async () => {
    const { promise, resolve } = Promise.withResolvers<OpenSuite>();
    let closed = false;
    void executor.execute(job({ source: { tests: [], open: () => promise } }));
    const next = executor.execute(job());
    await turn();
    expect((await executor.cancel("run-1"))?.record).toMatchObject({ state: "CANCELLED", tests: [] });
    resolve({
      tests: [passing],
      close: () => {
        closed = true;
      },
    });
    expect((await next).record.state).toBe("COMPLETED");
    expect(closed).toBe(true);
  });

  it("is cancelled by the signal that it was given, at once if the signal was already aborted", async () => {
    const stop = new AbortController();
    const waiting = executor.execute(held({ signal: stop.signal }).job);
    await turn();
    stop.abort();
    expect((await waiting).record.state).toBe("CANCELLED");
    const { record } = await executor.execute(job({ signal: AbortSignal.abort(), urgent: true }));
    expect(record.state).toBe("CANCELLED");
  });

  it("a run without an instance has a report, whose first test says why", async () => {
    const start = (): Promise<never> => Promise.reject(new Error("no such luck"));
    const received: string[] = [];
    const progress: RunProgress = { testEnded: ({ name, outcome }) => void received.push(`${name} ${outcome}`) };
    const run = await executor.execute(job({ start, source: { tests: [passing, calling] }, progress }));
    expect(outcomes(run)).toEqual(["ERRORED", "SKIPPED"]);
    expect(run.record).toMatchObject({ state: "COMPLETED", passed: false, version: "" });
    expect(run.record.tests[0]?.message).toBe("no such luck");
    expect(received).toEqual(["passes ERRORED", "calls SKIPPED"]);
    const optional: Test = { ...passing, required: false };
    expect((await executor.execute(job({ start, source: { tests: [optional] } }))).record.passed).toBe(false);
  });

  it("says that its instance was stopped during it, and names the tested code", async () => {
    const serving = candidate();
    const progress: RunProgress = { testStarted: () => serving.end({ expected: true, description: "exit code 0" }) };
    const tests = [calling, passing];
    const run = await executor.execute(job({ start: async () => serving, owned: false, source: { tests }, progress }));
    expect(run.record).toMatchObject({ state: "COMPLETED", passed: false, version: "2.0.0", artifact: "def" });
    expect(run.record.tests.map(({ outcome, message }) => [outcome, message])).toEqual([
      ["ERRORED", "the instance was stopped while it was tested"],
      ["SKIPPED", "the instance ended before"],
    ]);
    expect(serving.stopped()).toBe(false);
  });

  it.each<[string, Partial<Job>]>([
    [
      "a listener throws at its start",
      {
        progress: {
          runStarted: () => {
            throw new Error("broken");
          },
        },
      },
    ],
    [
      "a listener throws in the middle",
      {
        progress: {
          testEnded: () => {
            throw new Error("broken");
          },
        },
      },
    ],
    ["its suite is wrong", { source: { tests: [], open: () => Promise.reject(new Error("broken")) } }],
  ])("has no report because %s, and delays no other run", async (_, more) => {
    await expect(executor.execute(job(more))).rejects.toThrow("broken");
    expect(runs.get("run-1").record).toMatchObject({ state: "INTERRUPTED", failure: "broken", passed: false });
    expect((await executor.execute(job())).record.state).toBe("COMPLETED");
  });

  it("delays no other run if it cannot be stored", async () => {
    const { put } = store;
    store.put = () => Promise.reject(new Error("disk full"));
    await expect(executor.execute(job())).rejects.toThrow("disk full");
    store.put = put;
    expect((await executor.execute(job())).record.state).toBe("COMPLETED");
  });
});

describe("closing", () => {
  it("cancels running and waiting runs, and refuses new ones", async () => {
    const ended = [executor.execute(held().job), executor.execute(job())];
    await turn();
    await executor.close();
    expect((await Promise.all(ended)).map(({ record }) => record.state)).toEqual(["CANCELLED", "CANCELLED"]);
    const refusal: unknown = await executor.execute(job()).catch((error: unknown) => error);
    expect(isReason(refusal, "SERVER_DRAINING")).toBe(true);
  });
});
