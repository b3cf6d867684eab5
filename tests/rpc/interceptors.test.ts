import { randomUUID } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { ViolationsSchema } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import {
  type CallOptions,
  Code,
  ConnectError,
  createClient,
  createRouterTransport,
  type ServiceImpl,
} from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { errorInfo } from "../../clients/typescript/src/index.ts";
import { FlagService, SetPercentageResponseSchema } from "../../gen/helios/v1/flag_service_pb.ts";
import { createManualClock, createMemoryStore, createRequestLog, Feed } from "../../src/core/index.ts";
import { createReplays } from "../../src/server/services/replay/replays.ts";
import { turn } from "../support/turns.ts";
import { until } from "../support/until.ts";
import { testRunner } from "./runner.ts";

async function setUp(service: Partial<ServiceImpl<typeof FlagService>>) {
  const clock = createManualClock();
  const feed = new Feed(createMemoryStore({ clock, incarnation: "one" }));
  const requests = createRequestLog({ feed, clock });
  await feed.start();
  const lines: unknown[] = [];
  const runner = testRunner({
    clock,
    log: (level, message, fields) => lines.push({ level, message, ...fields }),
    newId: () => "error-1",
    report: (errorId, error) => lines.push({ errorId, error }),
  });
  const none = Object.fromEntries(FlagService.methods.map(({ localName }) => [localName, () => ({})]));
  const whole = { ...none, ...service } as ServiceImpl<typeof FlagService>;
  const transport = createRouterTransport((router) =>
    router.service(FlagService, runner.serve(FlagService, createReplays(requests)(FlagService, whole))),
  );
  return { client: createClient(FlagService, transport), lines };
}

const failure = (call: Promise<unknown>): Promise<ConnectError> =>
  call.then(
    () => Promise.reject(new Error("it did not fail")),
    (error: unknown) => ConnectError.from(error),
  );

describe("every request", () => {
  it.each<[string, MessageInitShape<typeof FlagService.method.setPercentage.input>, string]>([
    ["without a name", { percentage: 1 }, "name"],
    ["with an invalid name", { name: "../etc", percentage: 1 }, "name"],
    ["without a percentage", { name: "a" }, "percentage"],
    ["with NaN", { name: "a", percentage: Number.NaN }, "percentage"],
    ["with more than 100 %", { name: "a", percentage: 100.5 }, "percentage"],
    ["with infinity", { name: "a", percentage: Number.POSITIVE_INFINITY }, "percentage"],
    ["with an id that is not a UUID", { name: "a", percentage: 1, requestId: "1" }, "request_id"],
  ])("%s is refused before it reaches the service, and the error names the field", async (_, request, field) => {
    const { client } = await setUp({ setPercentage: () => Promise.reject(new Error("the service saw it")) });
    const error = await failure(client.setPercentage(request));
    expect(error.code).toBe(Code.InvalidArgument);
    expect(errorInfo(error)).toMatchObject({ reason: "ARGUMENT_INVALID", metadata: { field } });
    expect(error.findDetails(ViolationsSchema)[0]?.violations.length).toBeGreaterThan(0);
  });

  it("a request that ends with an unexpected error returns an id, and the log has the cause under that id", async () => {
    const { client, lines } = await setUp({ setPercentage: () => Promise.reject(new Error("secret")) });
    const error = await failure(client.setPercentage({ name: "a", percentage: 1 }));
    expect(errorInfo(error)).toMatchObject({ reason: "INTERNAL", metadata: { error_id: "error-1" } });
    expect(error.message).not.toContain("secret");
    expect(lines).toContainEqual({ errorId: "error-1", error: expect.objectContaining({ message: "secret" }) });
  });

  it("is logged in a line when it ends, also if it is a stream", async () => {
    const { client, lines } = await setUp({
      setPercentage: () => create(SetPercentageResponseSchema),
      async *watchFlags() {
        yield { revision: 1n };
        throw new Error("broken");
      },
    });
    await client.setPercentage({ name: "a", percentage: 1 });
    await failure(
      (async () => {
        for await (const _ of client.watchFlags({}));
      })(),
    );
    expect(lines).toMatchObject([
      { level: "info", message: "call", rpc: "FlagService/SetPercentage", code: "ok" },
      { errorId: "error-1" },
      { level: "error", message: "call failed", rpc: "FlagService/WatchFlags", code: "internal" },
    ]);
  });
});

describe("a request with a request_id", () => {
  it("runs once however often it is sent, and each caller gets the first answer", async () => {
    let done = 0;
    const { client } = await setUp({
      setPercentage: async () => ({ flag: { name: "a", revision: BigInt(++done) } }),
    });
    const request = { name: "a", percentage: 1, requestId: randomUUID() };
    const answers = await Promise.all([client.setPercentage(request), client.setPercentage(request)]);
    answers.push(await client.setPercentage(request));
    expect(answers.map(({ flag }) => flag?.revision)).toEqual([1n, 1n, 1n]);
    expect(done).toBe(1);
  });

  it("is refused if the id belongs to another request", async () => {
    const { client } = await setUp({ setPercentage: () => ({}), disableFlag: () => ({}) });
    const requestId = randomUUID();
    await client.setPercentage({ name: "a", percentage: 1, requestId });
    const other = await failure(client.setPercentage({ name: "a", percentage: 2, requestId }));
    expect(errorInfo(other)?.reason).toBe("REQUEST_ID_REUSED");
    const elsewhere = await failure(client.disableFlag({ name: "a", requestId: requestId.toUpperCase() }));
    expect(errorInfo(elsewhere)?.reason).toBe("REQUEST_ID_REUSED");
  });

  it("runs again after it failed", async () => {
    let calls = 0;
    const { client } = await setUp({
      setPercentage: () => (++calls === 1 ? Promise.reject(new ConnectError("later", Code.Unavailable)) : {}),
    });
    const request = { name: "a", percentage: 1, requestId: randomUUID() };
    expect((await failure(client.setPercentage(request))).code).toBe(Code.Unavailable);
    await client.setPercentage(request);
    expect(calls).toBe(2);
  });

  /** A service whose work ends when the test says so, or when no caller waits for it. */
  async function held() {
    const works: { signal: AbortSignal; finish: () => void }[] = [];
    const { client } = await setUp({
      setPercentage: (_, { signal }) =>
        new Promise((resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
          works.push({ signal, finish: () => resolve({ flag: { name: "a", revision: BigInt(works.length) } }) });
        }),
    });
    const request = { name: "a", percentage: 1, requestId: randomUUID() };
    const call = (options: CallOptions = {}) =>
      client.setPercentage(request, options).then(({ flag }) => flag?.revision);
    const started = async (count: number): Promise<void> => {
      await until(() => works.length >= count);
      await turn();
    };
    return { works, call, started };
  }

  it("continues for the caller that still waits when the first one leaves or runs out of time", async () => {
    const leave = new AbortController();
    for (const options of [{ signal: leave.signal }, { timeoutMs: 400 }]) {
      const { works, call, started } = await held();
      const first = failure(call(options));
      await started(1);
      const second = call();
      await turn();
      leave.abort();
      await first;
      await turn();
      expect(works[0]?.signal.aborted).toBe(false);
      works[0]?.finish();
      expect(await second).toBe(1n);
      expect(works).toHaveLength(1);
    }
  });

  it("continues when the last caller leaves, and a repetition waits for it or gets its answer", async () => {
    const { works, call, started } = await held();
    const leave = new AbortController();
    const calls = [failure(call({ signal: leave.signal })), failure(call({ signal: leave.signal }))];
    await started(1);
    leave.abort();
    await Promise.all(calls);
    const again = call();
    await turn();
    expect(works[0]?.signal.aborted).toBe(false);
    works[0]?.finish();
    expect(await again).toBe(1n);
    expect(await call()).toBe(1n);
    expect(works).toHaveLength(1);
  });
});
