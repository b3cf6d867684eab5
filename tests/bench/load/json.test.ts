import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type JsonJob, runJson } from "../../../bench/load/json.ts";
import { peerSide } from "../../../bench/sides/side.ts";
import { checkSame, prepareJson, type Ready } from "../../../bench/suites/ready.ts";

const SIDES = [peerSide("bare", "bare-http1.ts"), peerSide("connect-node", "connect-node.ts", ["h1"])];
const ready: Ready[] = [];

beforeAll(async () => {
  for (const side of SIDES) ready.push(await prepareJson(side, undefined));
});

afterAll(async () => {
  for (const { running } of ready) await running.stop();
});

const jobOf = ({ running, path, requests, answers }: Ready): JsonJob => ({
  port: running.port,
  path,
  requests,
  answers,
  connections: 3,
  warmUpMs: 0,
  durationMs: 100,
  serverPid: running.program.pid,
});

describe("the load of calls with JSON", () => {
  it("counts answers that are the expected ones", async () => {
    for (const one of ready) {
      const { errors, problem, perSecond } = await runJson(jobOf(one));
      expect([errors, problem]).toEqual([0, undefined]);
      expect(perSecond).toBeGreaterThan(0);
    }
  });

  it("counts another answer, and another status, as errors", async () => {
    for (const one of ready) {
      const job = jobOf(one);
      const other = await runJson({ ...job, answers: job.answers.toReversed() });
      expect(other.problem).toBe("the answer is not the expected one");
      const missing = await runJson({ ...job, path: "/nothing" });
      expect([missing.problem, missing.perSecond]).toEqual(["the answer has the status 404", 0]);
    }
  });
});

describe("servers that are compared", () => {
  it("must decide alike", () => {
    expect(() => checkSame(ready)).not.toThrow();
    const [first, second] = ready as [Ready, Ready];
    const other = { ...second, decided: second.decided.toReversed() };
    expect(() => checkSame([first, other])).toThrow("connect-node decides otherwise than bare");
  });
});
