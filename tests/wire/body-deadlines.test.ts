import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine, type Engine } from "../../src/core/index.ts";
import { type Server, startServer } from "../../src/server/server.ts";
import { type WatchedClock, watchedClock } from "../support/clocks.ts";
import { message, NOTHING } from "./abuse/frames.ts";
import { type Answer, Caller, type Sent } from "./raw.ts";

/** Each call has another timeout, which is not the time of any other timer. */
let timeoutMs = 7001;
let watched: WatchedClock;
let engine: Engine;
let server: Server;
let caller: Caller;

beforeAll(async () => {
  watched = watchedClock();
  const { clock } = watched;
  engine = await createEngine({ modulesRoot: `${import.meta.dirname}/../fixtures/modules` });
  server = await startServer({ engine, host: "127.0.0.1", port: 0, version: "", log() {}, clock, graceMs: 0 });
  caller = new Caller(server.url);
});
afterAll(async () => {
  caller.close();
  const drained = server.drain();
  watched.clock.advance(10_000);
  watched.clock.advance(10_000);
  await drained;
  await engine.close();
});

const [GRPC, CONNECT] = ["grpc-timeout", "connect-timeout-ms"];
const LIST = "/helios.v1.FlagService/ListFlags";
const WATCH = "/helios.v1.FlagService/WatchFlags";
const REFLECT = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const half = message(Buffer.alloc(3), 0, 10);
const CALLS: readonly (readonly [type: string, httpVersion: Sent["httpVersion"], path: string, half: Buffer])[] = [
  ["application/grpc", "2", LIST, half],
  ["application/grpc", "2", WATCH, half],
  ["application/grpc", "2", REFLECT, half],
  ["application/grpc-web", "2", LIST, half],
  ["application/grpc-web", "1.1", LIST, half],
  ["application/json", "2", LIST, Buffer.from("{")],
  ["application/json", "1.1", LIST, Buffer.from("{")],
  ["application/connect+json", "1.1", WATCH, half],
];

/** The code of an error, wherever the protocol has it. */
function codeOf({ headers, trailers, body }: Answer): string {
  const text = body.toString("latin1");
  const inBody = /grpc-status: ?(\d+)/.exec(text) ?? /"code":"(\w+)"/.exec(text);
  return String(trailers["grpc-status"] ?? headers["grpc-status"] ?? inBody?.[1]);
}

const LATE: readonly string[] = ["4", "deadline_exceeded"];

describe.each(CALLS)("%s over HTTP/%s, %s", (type, httpVersion, path, begun) => {
  const isGrpc = type.startsWith("application/grpc");
  const sent = (timeout: string, body: Buffer, staysOpen = true): Sent => ({
    ...{ httpVersion, path, body, staysOpen },
    headers: { "content-type": type, [isGrpc ? GRPC : CONNECT]: timeout },
  });

  it.each([
    ["does not arrive", NOTHING],
    ["arrives in part", begun],
  ])("ends by its deadline if its body %s", async (_, body) => {
    timeoutMs += 1;
    let isAnswered = false;
    const answered = caller.send(sent(`${timeoutMs}${isGrpc ? "m" : ""}`, body)).finally(() => {
      isAnswered = true;
    });
    await watched.isSet(timeoutMs);
    watched.clock.advance(timeoutMs - 1);
    await caller.send({ httpVersion, path: LIST, headers: { "content-type": "application/proto" }, body: NOTHING });
    expect(isAnswered).toBe(false);
    watched.clock.advance(1);
    const answer = await answered;
    expect(LATE).toContain(codeOf(answer));
  });

  it("is refused at once for an invalid timeout, whether or not its body arrives", async () => {
    expect(["3", "invalid_argument"]).toContain(codeOf(await caller.send(sent("soon", NOTHING))));
  });
});
