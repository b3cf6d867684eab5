import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import type { ClientBreaker } from "../../../clients/typescript/src/index.ts";
import { BreakerState } from "../../../gen/helios/v1/breaker_pb.ts";
import {
  BreakerChangesSchema,
  type WatchBreakersResponse,
  WatchBreakersResponseSchema,
} from "../../../gen/helios/v1/breaker_service_pb.ts";
import { openInService, type Peer, type ServiceRig, serviceRig } from "./rig.ts";

const FAST = { failureThreshold: 3, timeoutMs: 10_000, successThreshold: 1, probeTimeoutMs: 5000 };

type Home = ServiceRig & Peer & { readonly api: ClientBreaker };

async function withBreaker(): Promise<Home> {
  const rig = await serviceRig();
  const peer = rig.connect("one");
  const api = peer.breakers.breaker("api", FAST);
  await rig.quiet();
  return { ...rig, ...peer, api };
}

/** A frame with a change. */
function changed(
  { rpc }: ServiceRig,
  revision: bigint,
  epoch: bigint,
  state: BreakerState,
): Promise<WatchBreakersResponse> {
  return rpc.getBreaker({ name: "api" }).then(({ breaker }) => {
    if (breaker === undefined) throw new Error("there is no breaker");
    const put = { ...breaker, revision, epoch, automaticState: state, state };
    const value = create(BreakerChangesSchema, { changes: [{ change: { case: "put", value: put } }] });
    return create(WatchBreakersResponseSchema, { revision, resumeToken: "", frame: { case: "changes", value } });
  });
}

describe("a client whose stream has a gap", () => {
  it("learns after the gap what changed meanwhile", async () => {
    const rig = await withBreaker();
    rig.link.down();
    await openInService(rig);
    expect(rig.api.status().state).toBe("CLOSED");
    rig.link.up();
    await rig.pass(1000);
    expect(rig.api.status()).toMatchObject({ state: "OPEN", source: "SERVICE" });
    expect(rig.api.status().retryAfterMs).toBe(rig.service.get("api").retryAfterMs);
  });

  it("takes the snapshot of a service that has no journal of the changes, such as a new one", async () => {
    const rig = await withBreaker();
    for (let change = 1; change < 9; change += 1) await rig.service.update("api", { failureThreshold: 10 + change });
    await openInService(rig);
    await rig.service.open("api");
    await rig.quiet();
    expect(rig.api.status()).toMatchObject({ state: "OPEN", override: "FORCED_OPEN" });
    rig.link.down();
    await rig.replace();
    await rig.service.getOrCreate("api", FAST);
    rig.link.up();
    await rig.pass(1000);
    // Its epochs and revisions are lower than all that the client has seen.
    expect(rig.service.get("api").epoch).toBe(1);
    expect(rig.api.status()).toMatchObject({ state: "CLOSED", source: "SERVICE", override: undefined });
    for (let call = 0; call < 3; call += 1) rig.api.tryAcquire()?.settle("FAILURE");
    await rig.quiet();
    expect(rig.service.get("api")).toMatchObject({ state: "OPEN", epoch: 2 });
    expect(rig.api.status()).toMatchObject({ state: "OPEN", source: "SERVICE" });
  });

  it("creates its breakers again in a service that knows none of them", async () => {
    const rig = await withBreaker();
    rig.link.down();
    await rig.replace();
    rig.link.up();
    await rig.pass(1000);
    expect(rig.service.get("api").config).toMatchObject(FAST);
    expect(rig.api.status()).toMatchObject({ state: "CLOSED", source: "SERVICE" });
  });
});

describe("the state that a client holds", () => {
  it("never goes back to an earlier revision or an earlier epoch", async () => {
    const rig = await withBreaker();
    const { revision } = rig.service.get("api").resource;
    await openInService(rig);
    const known = rig.api.status();
    expect(known.state).toBe("OPEN");
    const now = BigInt(rig.service.get("api").resource.revision);
    rig.link.inject(await changed(rig, BigInt(revision), 1n, BreakerState.CLOSED));
    rig.link.inject(await changed(rig, now, 9n, BreakerState.CLOSED));
    rig.link.inject(await changed(rig, now + 5n, 1n, BreakerState.CLOSED));
    await rig.quiet();
    expect(rig.api.status()).toEqual(known);
    // A control: a newer frame does take effect.
    rig.link.inject(await changed(rig, now + 6n, 9n, BreakerState.CLOSED));
    await rig.quiet();
    expect(rig.api.status().state).toBe("CLOSED");
  });

  it("is not undone by a late answer with an older revision", async () => {
    const rig = await withBreaker();
    let release = (): void => {};
    const other = rig.connect("two", (link) => {
      release = link.holdAnswers("GetOrCreateBreaker");
    });
    const late = other.breakers.breaker("api", FAST);
    await rig.quiet();
    await openInService(rig);
    expect(late.status().state).toBe("OPEN");
    release();
    await rig.quiet();
    expect(late.status()).toMatchObject({ state: "OPEN", source: "SERVICE" });
  });

  it("comes from one stream for all names, which is opened once for names that are added together", async () => {
    const rig = await serviceRig();
    const { breakers, link } = rig.connect("one");
    const names = Array.from({ length: 20 }, (_, index) => `b${index}`);
    const all = names.map((name) => breakers.breaker(name));
    await rig.quiet();
    expect(link.calls.get("WatchBreakers")).toBe(1);
    expect(all.every((breaker) => breaker.status().source === "SERVICE")).toBe(true);
    all.push(breakers.breaker("late"));
    // A second stream is not opened at once, because more names may follow.
    await rig.pass(100);
    expect(link.calls.get("WatchBreakers")).toBe(2);
    expect(link.streams()).toBe(1);
    await rig.service.open("late");
    await rig.service.open("b7");
    await rig.quiet();
    expect(all.filter((breaker) => breaker.status().state === "OPEN").map(({ name }) => name)).toEqual(["b7", "late"]);
  });

  it("comes only from the latest stream if names are added while the service is unreachable", async () => {
    const rig = await serviceRig();
    const { breakers, link } = rig.connect("one", (one) => one.down());
    for (let index = 0; index < 10; index += 1) {
      breakers.breaker(`b${index}`);
      await rig.pass(100);
    }
    link.up();
    await rig.pass(20_000);
    expect(link.streams()).toBe(1);
    for (let index = 0; index < 10; index += 1)
      expect(breakers.breaker(`b${index}`).status()).toMatchObject({ source: "SERVICE" });
  });
});
