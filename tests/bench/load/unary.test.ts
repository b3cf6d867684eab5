import { toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { UnaryJob } from "../../../bench/load/unary.ts";
import { runUnary } from "../../../bench/load/unary.ts";
import { verify } from "../../../bench/load/verify.ts";
import { enveloped } from "../../../bench/sides/envelope.ts";
import { EVALUATE_PATH, REQUESTS } from "../../../bench/sides/flag.ts";
import { peerSide, type Running } from "../../../bench/sides/side.ts";
import { EvaluateFlagRequestSchema } from "../../../gen/helios/v1/flag_service_pb.ts";

const messages = REQUESTS.map((request) => toBinary(EvaluateFlagRequestSchema, request));
let running: Running;
let job: UnaryJob;

beforeAll(async () => {
  running = await peerSide("bare", "bare-http2.ts").start(undefined);
  const answers = await verify(running.port, EVALUATE_PATH, messages);
  job = {
    port: running.port,
    path: EVALUATE_PATH,
    requests: messages.map(enveloped),
    answers: answers.map(enveloped),
    connections: 2,
    streams: 4,
    warmUpMs: 0,
    durationMs: 100,
    serverPid: running.program.pid,
  };
});

afterAll(() => running.stop());

describe("the load of unary calls", () => {
  it("counts answers that are the expected ones", async () => {
    const { errors, problem, perSecond, p50Ms } = await runUnary(job);
    expect([errors, problem]).toEqual([0, undefined]);
    expect(perSecond).toBeGreaterThan(0);
    expect(p50Ms).toBeGreaterThan(0);
  });

  it("counts another answer as an error", async () => {
    const [first = new Uint8Array(), ...others] = job.answers;
    const { errors, problem } = await runUnary({ ...job, answers: [Buffer.from(first).fill(1), ...others] });
    expect(errors).toBeGreaterThan(0);
    expect(problem).toBe("the answer is not the expected one");
  });

  it("counts a failure that the server reports as an error", async () => {
    const { errors, perSecond, problem } = await runUnary({ ...job, path: "/helios.v1.FlagService/Nothing" });
    expect(errors).toBeGreaterThan(0);
    expect([perSecond, problem]).toEqual([0, "FAILED"]);
  });

  it("rejects if there is no server", async () => {
    await expect(runUnary({ ...job, port: 1 })).rejects.toThrow("ECONNREFUSED");
  });
});
