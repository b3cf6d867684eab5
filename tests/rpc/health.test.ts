import { type Client, Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { beforeEach, describe, expect, it } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/grpc/health/v1/health_pb.ts";
import { HeliosError } from "../../src/core/index.ts";
import {
  createHealth,
  createServingSwitch,
  type Serving,
  type ServingSwitch,
} from "../../src/server/services/health.ts";
import { testRunner } from "./runner.ts";

const SERVICES = ["helios.v1.FlagService", "helios.v1.ModuleService"];

let serving: ServingSwitch;
let subscribers: number;
let client: Client<typeof Health>;

beforeEach(() => {
  serving = createServingSwitch();
  subscribers = 0;
  client = createClient(
    Health,
    createRouterTransport((router) =>
      router.service(Health, testRunner().serve(Health, createHealth(counting(serving), SERVICES))),
    ),
  );
});

/** Counts the subscribers. */
function counting(inner: Serving): Serving {
  return {
    get current() {
      return inner.current;
    },
    get ended() {
      return inner.ended;
    },
    subscribe(changed) {
      subscribers += 1;
      const unsubscribe = inner.subscribe(changed);
      let left = false;
      return () => {
        if (!left) subscribers -= 1;
        left = true;
        unsubscribe();
      };
    },
  };
}

function watch(service: string, signal?: AbortSignal) {
  const frames = client.watch({ service }, signal === undefined ? {} : { signal })[Symbol.asyncIterator]();
  return { next: async () => (await frames.next()).value?.status };
}

describe("Check", () => {
  it.each(["", ...SERVICES])("answers for %j with the status of the server", async (service) => {
    expect((await client.check({ service })).status).toBe(Status.NOT_SERVING);
    serving.set(true);
    expect((await client.check({ service })).status).toBe(Status.SERVING);
    serving.set(false);
    expect((await client.check({ service })).status).toBe(Status.NOT_SERVING);
  });

  it.each(["helios.v1.NoService", "flagservice", " "])("answers NOT_FOUND for %j", async (service) => {
    const error = await client.check({ service }).catch((thrown: unknown) => ConnectError.from(thrown));
    if (!(error instanceof ConnectError)) throw new Error("it answered");
    expect(error.code).toBe(Code.NotFound);
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([
      { domain: "helios", reason: "SERVICE_NOT_FOUND", metadata: { service } },
    ]);
  });
});

describe("List", () => {
  it("answers for the whole server and every service", async () => {
    serving.set(true);
    const { statuses } = await client.list({});
    expect(Object.keys(statuses).sort()).toEqual(["", ...SERVICES]);
    expect(Object.values(statuses).map(({ status }) => status)).toEqual([
      Status.SERVING,
      Status.SERVING,
      Status.SERVING,
    ]);
  });
});

describe("Watch", () => {
  it("sends the status at once and then each change once", async () => {
    const stream = watch("helios.v1.FlagService");
    expect(await stream.next()).toBe(Status.NOT_SERVING);
    serving.set(true);
    expect(await stream.next()).toBe(Status.SERVING);
    const next = stream.next();
    serving.set(true);
    serving.set(false);
    expect(await next).toBe(Status.NOT_SERVING);
  });

  it("omits a status that came and went between two reads", async () => {
    const stream = watch("");
    expect(await stream.next()).toBe(Status.NOT_SERVING);
    const next = stream.next();
    serving.set(true);
    serving.set(false);
    serving.set(true);
    expect(await next).toBe(Status.SERVING);
  });

  it("sends SERVICE_UNKNOWN for an unknown service, and stays open", async () => {
    const controller = new AbortController();
    const stream = watch("helios.v1.NoService", controller.signal);
    expect(await stream.next()).toBe(Status.SERVICE_UNKNOWN);
    const next = stream.next().catch((thrown: unknown) => ConnectError.from(thrown).code);
    serving.set(true);
    controller.abort();
    expect(await next).toBe(Code.Canceled);
  });

  it("ends its subscription when the caller leaves", async () => {
    const controller = new AbortController();
    const stream = watch("", controller.signal);
    await stream.next();
    expect(subscribers).toBe(1);
    controller.abort();
    await stream.next().catch(() => {});
    expect(subscribers).toBe(0);
  });

  it("sends NOT_SERVING before it ends with the server", async () => {
    serving.set(true);
    const stream = watch("");
    expect(await stream.next()).toBe(Status.SERVING);
    serving.end(HeliosError.of("SERVER_DRAINING", {}));
    expect(await stream.next()).toBe(Status.NOT_SERVING);
    const error = await stream.next().catch((thrown: unknown) => ConnectError.from(thrown));
    if (!(error instanceof ConnectError)) throw new Error("it went on");
    expect(error.code).toBe(Code.Unavailable);
    expect(error.findDetails(ErrorInfoSchema)[0]?.reason).toBe("SERVER_DRAINING");
    expect(subscribers).toBe(0);
  });
});

describe("a server that has stopped", () => {
  it("never serves again", async () => {
    serving.end(HeliosError.of("SERVER_DRAINING", {}));
    serving.set(true);
    expect((await client.check({})).status).toBe(Status.NOT_SERVING);
  });
});
