import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import type { ClientBreaker } from "../../../clients/typescript/src/index.ts";
import { BreakerState } from "../../../gen/helios/v1/breaker_pb.ts";
import {
  BreakerChangesSchema,
  type WatchBreakersResponse,
  WatchBreakersResponseSchema,
} from "../../../gen/helios/v1/breaker_service_pb.ts";
import { type House, house, type Peer } from "./rig.ts";

const FAST = { failureThreshold: 3, timeoutMs: 10_000, successThreshold: 1, probeTimeoutMs: 5000 };

type Home = House & Peer & { readonly api: ClientBreaker };

async function withBreaker(): Promise<Home> {
  const home = await house();
  const peer = home.connect("one");
  const api = peer.breakers.breaker("api", FAST);
  await home.quiet();
  return { ...home, ...peer, api };
}

const open = async ({ service, quiet }: House): Promise<void> => {
  for (let call = 0; call < 3; call += 1) service.record("api", service.acquire("api"), "FAILURE");
  await service.stored();
  await quiet();
};

/** A frame with a change. */
function changed({ rpc }: House, revision: bigint, epoch: bigint, state: BreakerState): Promise<WatchBreakersResponse> {
  return rpc.getBreaker({ name: "api" }).then(({ breaker }) => {
    if (breaker === undefined) throw new Error("there is no breaker");
    const put = { ...breaker, revision, epoch, automaticState: state, state };
    const value = create(BreakerChangesSchema, { changes: [{ change: { case: "put", value: put } }] });
    return create(WatchBreakersResponseSchema, { revision, resumeToken: "", frame: { case: "changes", value } });
  });
}

describe("a client whose stream has a gap", () => {
  it("learns after the gap what changed meanwhile", async () => {
    const home = await withBreaker();
    home.link.down();
    await open(home);
    expect(home.api.status().state).toBe("CLOSED");
    home.link.up();
    await home.pass(1000);
    expect(home.api.status()).toMatchObject({ state: "OPEN", source: "SERVICE" });
    expect(home.api.status().retryAfterMs).toBe(home.service.get("api").retryAfterMs);
  });

  it("takes the snapshot of a service that has no journal of the changes, such as a new one", async () => {
    const home = await withBreaker();
    for (let change = 1; change < 9; change += 1) await home.service.update("api", { failureThreshold: 10 + change });
    await open(home);
    await home.service.open("api");
    await home.quiet();
    expect(home.api.status()).toMatchObject({ state: "OPEN", override: "FORCED_OPEN" });
    home.link.down();
    await home.replace();
    await home.service.getOrCreate("api", FAST);
    home.link.up();
    await home.pass(1000);
    // Its epochs and revisions are lower than all that the client has seen.
    expect(home.service.get("api").epoch).toBe(1);
    expect(home.api.status()).toMatchObject({ state: "CLOSED", source: "SERVICE", override: undefined });
    for (let call = 0; call < 3; call += 1) home.api.tryAcquire()?.settle("FAILURE");
    await home.quiet();
    expect(home.service.get("api")).toMatchObject({ state: "OPEN", epoch: 2 });
    expect(home.api.status()).toMatchObject({ state: "OPEN", source: "SERVICE" });
  });

  it("creates its breakers again in a service that knows none of them", async () => {
    const home = await withBreaker();
    home.link.down();
    await home.replace();
    home.link.up();
    await home.pass(1000);
    expect(home.service.get("api").config).toMatchObject(FAST);
    expect(home.api.status()).toMatchObject({ state: "CLOSED", source: "SERVICE" });
  });
});

describe("the state that a client holds", () => {
  it("never goes back to an earlier revision or an earlier epoch", async () => {
    const home = await withBreaker();
    const { revision } = home.service.get("api").resource;
    await open(home);
    const known = home.api.status();
    expect(known.state).toBe("OPEN");
    const now = BigInt(home.service.get("api").resource.revision);
    home.link.inject(await changed(home, BigInt(revision), 1n, BreakerState.CLOSED));
    home.link.inject(await changed(home, now, 9n, BreakerState.CLOSED));
    home.link.inject(await changed(home, now + 5n, 1n, BreakerState.CLOSED));
    await home.quiet();
    expect(home.api.status()).toEqual(known);
    // A control: a newer frame does take effect.
    home.link.inject(await changed(home, now + 6n, 9n, BreakerState.CLOSED));
    await home.quiet();
    expect(home.api.status().state).toBe("CLOSED");
  });

  it("is not undone by a late answer with an older revision", async () => {
    const home = await withBreaker();
    let release = (): void => {};
    const other = home.connect("two", (link) => {
      release = link.holdAnswers("GetOrCreateBreaker");
    });
    const late = other.breakers.breaker("api", FAST);
    await home.quiet();
    await open(home);
    expect(late.status().state).toBe("OPEN");
    release();
    await home.quiet();
    expect(late.status()).toMatchObject({ state: "OPEN", source: "SERVICE" });
  });

  it("comes from one stream for all names, which is opened once for names that are added together", async () => {
    const home = await house();
    const { breakers, link } = home.connect("one");
    const names = Array.from({ length: 20 }, (_, index) => `b${index}`);
    const all = names.map((name) => breakers.breaker(name));
    await home.quiet();
    expect(link.calls.get("WatchBreakers")).toBe(1);
    expect(all.every((breaker) => breaker.status().source === "SERVICE")).toBe(true);
    all.push(breakers.breaker("late"));
    // A second stream is not opened at once, because more names may follow.
    await home.pass(100);
    expect(link.calls.get("WatchBreakers")).toBe(2);
    expect(link.streams()).toBe(1);
    await home.service.open("late");
    await home.service.open("b7");
    await home.quiet();
    expect(all.filter((breaker) => breaker.status().state === "OPEN").map(({ name }) => name)).toEqual(["b7", "late"]);
  });

  it("comes only from the latest stream if names are added while the service is unreachable", async () => {
    const home = await house();
    const { breakers, link } = home.connect("one", (one) => one.down());
    for (let index = 0; index < 10; index += 1) {
      breakers.breaker(`b${index}`);
      await home.pass(100);
    }
    link.up();
    await home.pass(20_000);
    expect(link.streams()).toBe(1);
    for (let index = 0; index < 10; index += 1)
      expect(breakers.breaker(`b${index}`).status()).toMatchObject({ source: "SERVICE" });
  });
});
