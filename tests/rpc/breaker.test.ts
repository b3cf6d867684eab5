import { type Duration, durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { BreakerOverride, BreakerState } from "../../gen/helios/v1/breaker_pb.ts";
import { Outcome, type WatchBreakersResponse } from "../../gen/helios/v1/breaker_service_pb.ts";
import { OnCompacted } from "../../gen/helios/v1/watch_pb.ts";
import { type Rig, rig } from "./breaker-rig.ts";
import { failure } from "./served.ts";

const name = "api";
const who = { actor: "ana", reason: "because" };
const seconds = (all: number): { seconds: bigint } => ({ seconds: BigInt(all) });
const ms = (duration: Duration | undefined): number | undefined => duration && durationMs(duration);
const config = { failureThreshold: 2, timeout: seconds(10), successThreshold: 2 };

async function withBreaker(): Promise<Rig> {
  const setup = await rig();
  await setup.client.getOrCreateBreaker({ name, config });
  return setup;
}

let seq = 0n;
/** Reports outcomes of one epoch, as a client of its own. */
function report(
  { client }: Rig,
  { epoch, leaseId = "" }: { readonly epoch: bigint; readonly leaseId?: string },
  outcome: Outcome,
  count = 1,
) {
  seq += 1n;
  return client.reportOutcomes({
    clientId: "reporter",
    seq,
    reports: [{ name, epoch, leaseId, runs: [{ outcome, count }] }],
  });
}

async function tripped(): Promise<Rig> {
  const setup = await withBreaker();
  await report(setup, { epoch: 1n }, Outcome.FAILURE, 2);
  await setup.breakers.stored();
  return setup;
}

describe("BreakerService", () => {
  it("creates a breaker with the defaults, and gets it", async () => {
    const { client, clock } = await rig();
    const { breaker, created, configConflict } = await client.getOrCreateBreaker({ name, ...who });
    expect({ created, configConflict }).toEqual({ created: true, configConflict: false });
    expect(breaker).toMatchObject({
      name,
      config: {
        failureThreshold: 5,
        timeout: { seconds: 60n, nanos: 0 },
        successThreshold: 2,
        probeConcurrency: 1,
        probeTimeout: { seconds: 30n, nanos: 0 },
      },
      state: BreakerState.CLOSED,
      automaticState: BreakerState.CLOSED,
      override: BreakerOverride.UNSPECIFIED,
      epoch: 1n,
      counts: {
        consecutiveFailures: 0,
        consecutiveSuccesses: 0,
        successes: 0n,
        failures: 0n,
        ignored: 0n,
        rejected: 0n,
        lateSuccesses: 0n,
        lateFailures: 0n,
      },
      transitionCause: { action: "GetOrCreateBreaker", actor: "ana", reason: "because" },
      probes: 0,
      revision: 1n,
    });
    expect(breaker).not.toHaveProperty("retryAfter");
    expect(breaker).not.toHaveProperty("overrideCause");
    expect(breaker?.etag).not.toBe("");
    for (const time of [breaker?.transitionTime, breaker?.createTime, breaker?.updateTime]) {
      expect(time && timestampMs(time)).toBe(clock.now());
    }
    expect((await client.getBreaker({ name })).breaker).toEqual(breaker);
  });

  it("creates one breaker for any number of requests, and reports another configuration", async () => {
    const { client } = await rig();
    const answers = await Promise.all(Array.from({ length: 20 }, () => client.getOrCreateBreaker({ name, config })));
    expect(answers.filter(({ created }) => created)).toHaveLength(1);
    expect(answers.filter(({ configConflict }) => configConflict)).toHaveLength(0);
    const other = await client.getOrCreateBreaker({ name, config: { failureThreshold: 7 } });
    expect(other).toMatchObject({ created: false, configConflict: true, breaker: { config: { failureThreshold: 2 } } });
    expect((await client.getOrCreateBreaker({ name })).configConflict).toBe(false);
  });

  it("lists breakers by name, page by page", async () => {
    const { client } = await rig();
    for (const each of ["c", "a", "b"]) await client.getOrCreateBreaker({ name: each });
    const first = await client.listBreakers({ pageSize: 2 });
    expect(first.breakers.map((breaker) => breaker.name)).toEqual(["a", "b"]);
    const second = await client.listBreakers({ pageSize: 2, pageToken: first.nextPageToken });
    expect(second.breakers.map((breaker) => breaker.name)).toEqual(["c"]);
    expect(second.nextPageToken).toBe("");
  });

  it("updates the fields of the mask, to defaults if absent, and without a mask the present fields", async () => {
    const { client } = await withBreaker();
    const { breaker } = await client.updateBreaker({
      name,
      config: { failureThreshold: 9, probeConcurrency: 3 },
      updateMask: { paths: ["failure_threshold", "timeout"] },
      ...who,
    });
    expect(breaker?.config).toMatchObject({
      failureThreshold: 9,
      timeout: { seconds: 60n },
      successThreshold: 2,
      probeConcurrency: 1,
    });
    const { breaker: again } = await client.updateBreaker({ name, config: { probeTimeout: { nanos: 5_500_000 } } });
    expect(again?.config).toMatchObject({ failureThreshold: 9, probeTimeout: { seconds: 0n, nanos: 5_500_000 } });
    expect(again?.revision).toBe(3n);
  });

  it("deletes a breaker, and returns it as it was", async () => {
    const { client } = await withBreaker();
    const { breaker } = await client.getBreaker({ name });
    const deleted = await client.deleteBreaker({ name, ...who });
    expect(deleted).toMatchObject({ breaker, revision: 2n });
    expect(await failure(client.getBreaker({ name }))).toMatchObject({ reason: "BREAKER_NOT_FOUND" });
  });

  it("trips by reports, rejects, lets a probe through, and closes", async () => {
    const setup = await withBreaker();
    const { client, clock } = setup;
    const permit = await client.acquirePermit({ name, clientId: "one" });
    expect(permit).toMatchObject({ allowed: true, epoch: 1n, leaseId: "", state: BreakerState.CLOSED });
    expect(await report(setup, permit, Outcome.FAILURE, 2)).toMatchObject({ duplicate: false, unknownNames: [] });
    clock.advance(4000);
    const refused = await client.acquirePermit({ name });
    expect(refused).toMatchObject({
      allowed: false,
      epoch: 2n,
      leaseId: "",
      state: BreakerState.OPEN,
      override: BreakerOverride.UNSPECIFIED,
    });
    expect(ms(refused.retryAfter)).toBe(6000);
    const { breaker: open } = await client.getBreaker({ name });
    expect(open).toMatchObject({
      state: BreakerState.OPEN,
      counts: { failures: 2n, rejected: 1n },
      transitionCause: { action: "Trip", actor: "", reason: "" },
    });
    expect(ms(open?.retryAfter)).toBe(6000);
    clock.advance(6000);
    for (const state of [BreakerState.HALF_OPEN, BreakerState.CLOSED]) {
      const probe = await client.acquirePermit({ name });
      expect(probe).toMatchObject({ allowed: true, epoch: 3n, state: BreakerState.HALF_OPEN });
      expect(probe.leaseId).not.toBe("");
      expect((await client.getBreaker({ name })).breaker).toMatchObject({ probes: 1 });
      await report(setup, probe, Outcome.SUCCESS);
      expect((await client.getBreaker({ name })).breaker).toMatchObject({ state, probes: 0 });
    }
    expect((await client.getBreaker({ name })).breaker).toMatchObject({
      epoch: 4n,
      counts: { consecutiveFailures: 0, consecutiveSuccesses: 0, successes: 2n, failures: 2n },
      transitionCause: { action: "Close" },
    });
  });

  it("gives the only probe to one of two clients that race for it", async () => {
    const setup = await tripped();
    const { client, clock } = setup;
    clock.advance(10_000);
    const permits = await Promise.all(["one", "two"].map((clientId) => client.acquirePermit({ name, clientId })));
    const [won, lost] = [permits.filter(({ allowed }) => allowed), permits.filter(({ allowed }) => !allowed)];
    expect([won.length, lost.length]).toEqual([1, 1]);
    expect(lost[0]).toMatchObject({ state: BreakerState.HALF_OPEN, leaseId: "" });
    expect(ms(lost[0]?.retryAfter)).toBe(30_000);
  });

  it("frees the slot of an ignored probe, and of one whose client is gone", async () => {
    const setup = await tripped();
    const { client, clock } = setup;
    clock.advance(10_000);
    await report(setup, await client.acquirePermit({ name }), Outcome.IGNORED);
    const lost = await client.acquirePermit({ name });
    expect(lost.allowed).toBe(true);
    clock.advance(30_000);
    expect((await client.getBreaker({ name })).breaker).toMatchObject({
      state: BreakerState.OPEN,
      counts: { ignored: 1n, failures: 3n },
      transitionCause: { action: "LeaseExpired" },
    });
    await report(setup, lost, Outcome.SUCCESS);
    expect((await client.getBreaker({ name })).breaker).toMatchObject({
      state: BreakerState.OPEN,
      counts: { successes: 0n, lateSuccesses: 1n },
    });
  });

  it("counts a report once, and names the breakers that do not exist", async () => {
    const { client } = await withBreaker();
    const run = { outcome: Outcome.FAILURE };
    const request = {
      clientId: "one",
      seq: 1n,
      reports: ["nope", name].map((each) => ({ name: each, epoch: 1n, runs: [run] })),
    };
    expect(await client.reportOutcomes(request)).toMatchObject({ duplicate: false, unknownNames: ["nope"] });
    expect(await client.reportOutcomes(request)).toMatchObject({ duplicate: true, unknownNames: ["nope"] });
    expect((await client.getBreaker({ name })).breaker).toMatchObject({
      state: BreakerState.CLOSED,
      counts: { failures: 1n, consecutiveFailures: 1 },
    });
  });

  it("accepts every seq of the contract, and counts each report once", async () => {
    const { client, breakers } = await withBreaker();
    const reports = [{ name, epoch: 1n, runs: [{ outcome: Outcome.SUCCESS }] }];
    // A client whose numbers begin at a time in nanoseconds.
    const first = 1_800_000_000_000_000_000n;
    for (const seq of [first, first + 1n, first + 2n, 2n ** 63n - 1n])
      for (const duplicate of [false, true])
        expect(await client.reportOutcomes({ clientId: "one", seq, reports })).toMatchObject({ duplicate });
    expect(breakers.get(name).counts.successes).toBe(4);
  });

  it("counts outcomes of another epoch separately", async () => {
    const setup = await tripped();
    await report(setup, { epoch: 1n }, Outcome.FAILURE, 3);
    await report(setup, { epoch: 7n }, Outcome.SUCCESS);
    expect((await setup.client.getBreaker({ name })).breaker?.counts).toMatchObject({
      failures: 2n,
      lateFailures: 3n,
      lateSuccesses: 1n,
    });
  });

  it("keeps an opened breaker open until it is reset, and shows who opened it and why", async () => {
    const { client, clock } = await withBreaker();
    const { breaker } = await client.openBreaker({ name, ...who });
    expect(breaker).toMatchObject({
      state: BreakerState.OPEN,
      automaticState: BreakerState.CLOSED,
      override: BreakerOverride.FORCED_OPEN,
      overrideCause: { action: "OpenBreaker", actor: "ana", reason: "because" },
      transitionCause: { action: "OpenBreaker", actor: "ana", reason: "because" },
      epoch: 2n,
    });
    clock.advance(1_000_000);
    const refused = await client.acquirePermit({ name });
    expect(refused).toMatchObject({
      allowed: false,
      state: BreakerState.OPEN,
      override: BreakerOverride.FORCED_OPEN,
    });
    expect(refused).not.toHaveProperty("retryAfter");
    const { breaker: reset } = await client.resetBreaker({ name, actor: "bob", reason: "well again" });
    expect(reset).toMatchObject({
      state: BreakerState.CLOSED,
      override: BreakerOverride.UNSPECIFIED,
      transitionCause: { action: "ResetBreaker", actor: "bob", reason: "well again" },
      epoch: 3n,
      counts: { rejected: 0n },
    });
    expect(reset).not.toHaveProperty("overrideCause");
    expect((await client.acquirePermit({ name })).allowed).toBe(true);
  });

  it("resets all breakers with a prefix, and in a dry run only lists them", async () => {
    const { client, feed } = await rig();
    for (const each of ["api:a", "api:b", "db"]) {
      await client.getOrCreateBreaker({ name: each });
      await client.openBreaker({ name: each });
    }
    const { revision } = feed;
    const dry = await client.resetAllBreakers({ namePrefix: "api:", dryRun: true });
    expect(dry.breakers.map((breaker) => [breaker.name, breaker.state])).toEqual([
      ["api:a", BreakerState.OPEN],
      ["api:b", BreakerState.OPEN],
    ]);
    expect(feed.revision).toBe(revision);
    const reset = await client.resetAllBreakers({ namePrefix: "api:", ...who });
    expect(reset.breakers.map((breaker) => [breaker.name, breaker.state])).toEqual([
      ["api:a", BreakerState.CLOSED],
      ["api:b", BreakerState.CLOSED],
    ]);
    expect(reset.breakers[0]?.transitionCause).toMatchObject({ action: "ResetAllBreakers", ...who });
    expect((await client.getBreaker({ name: "db" })).breaker?.state).toBe(BreakerState.OPEN);
    expect((await client.resetAllBreakers({})).breakers).toHaveLength(3);
    expect((await client.getBreaker({ name: "db" })).breaker?.state).toBe(BreakerState.CLOSED);
  });
});

describe("BreakerService: errors", () => {
  it("answers BREAKER_NOT_FOUND in every RPC for a breaker that does not exist", async () => {
    const { client, feed } = await rig();
    for (const call of [
      client.getBreaker({ name }),
      client.updateBreaker({ name, config: {} }),
      client.deleteBreaker({ name }),
      client.acquirePermit({ name }),
      client.openBreaker({ name }),
      client.setBreakerOverride({ name, override: BreakerOverride.DISABLED }),
      client.releaseBreakerHold({ name }),
      client.simulateBreaker({ name }),
      client.resetBreaker({ name }),
    ]) {
      expect(await failure(call)).toEqual({ code: "NotFound", reason: "BREAKER_NOT_FOUND", metadata: { name } });
    }
    expect(feed.revision).toBe(0);
  });

  it("answers ETAG_MISMATCH in every mutation with a stale etag", async () => {
    const { client } = await withBreaker();
    const stale = { name, etag: (await client.getBreaker({ name })).breaker?.etag ?? "" };
    await client.updateBreaker({ name, config: { failureThreshold: 3 } });
    for (const call of [
      client.updateBreaker({ ...stale, config: { failureThreshold: 4 } }),
      client.deleteBreaker(stale),
      client.openBreaker(stale),
      client.resetBreaker(stale),
    ]) {
      expect(await failure(call)).toMatchObject({ code: "Aborted", reason: "ETAG_MISMATCH" });
    }
    const { breaker } = await client.getBreaker({ name });
    expect(breaker).toMatchObject({ epoch: 1n, config: { failureThreshold: 3 } });
    expect((await client.openBreaker({ name, etag: breaker?.etag ?? "" })).breaker?.epoch).toBe(2n);
  });

  const run = { outcome: Outcome.FAILURE };
  const reported = { name, epoch: 1n, runs: [run] };
  it.each([
    ["name", (client: Rig["client"]) => client.getOrCreateBreaker({ name: "a b" })],
    ["name", (client: Rig["client"]) => client.getBreaker({})],
    ["config.failure_threshold", (client: Rig["client"]) => create(client, { failureThreshold: 0 })],
    ["config.success_threshold", (client: Rig["client"]) => create(client, { successThreshold: 0 })],
    ["config.probe_concurrency", (client: Rig["client"]) => create(client, { probeConcurrency: 0 })],
    ["config.timeout", (client: Rig["client"]) => create(client, { timeout: seconds(0) })],
    ["config.timeout", (client: Rig["client"]) => create(client, { timeout: seconds(-1) })],
    ["config.probe_timeout", (client: Rig["client"]) => create(client, { probeTimeout: seconds(86_401) })],
    ["config", (client: Rig["client"]) => client.updateBreaker({ name })],
    [
      "update_mask",
      (client: Rig["client"]) => client.updateBreaker({ name, config: {}, updateMask: { paths: ["state"] } }),
    ],
    [
      "update_mask",
      (client: Rig["client"]) => client.updateBreaker({ name, config: {}, updateMask: { paths: ["constructor"] } }),
    ],
    ["page_size", (client: Rig["client"]) => client.listBreakers({ pageSize: -1 })],
    ["client_id", (client: Rig["client"]) => client.reportOutcomes({ seq: 1n, reports: [reported] })],
    ["seq", (client: Rig["client"]) => client.reportOutcomes({ clientId: "one", reports: [reported] })],
    ["reports", (client: Rig["client"]) => client.reportOutcomes({ clientId: "one", seq: 1n })],
    [
      "reports[0].runs[0].outcome",
      (client: Rig["client"]) =>
        client.reportOutcomes({ clientId: "one", seq: 1n, reports: [{ ...reported, runs: [{ count: 1 }] }] }),
    ],
    [
      "reports[0]",
      (client: Rig["client"]) =>
        client.reportOutcomes({
          clientId: "one",
          seq: 1n,
          reports: [{ ...reported, leaseId: "lease", runs: [{ ...run, count: 2 }] }],
        }),
    ],
  ])("names the field %s", async (field, call) => {
    const { client } = await withBreaker();
    expect(await failure(call(client))).toMatchObject({
      code: "InvalidArgument",
      reason: "ARGUMENT_INVALID",
      metadata: { field },
    });
    expect((await client.getBreaker({ name })).breaker).toMatchObject({ revision: 1n, counts: { failures: 0n } });
  });
  const create = (client: Rig["client"], wrong: Parameters<typeof client.getOrCreateBreaker>[0]["config"]) =>
    client.getOrCreateBreaker({ name, ...(wrong === undefined ? {} : { config: wrong }) });

  it("runs two requests with one request_id once", async () => {
    const { client } = await withBreaker();
    const request = { name, requestId: "6f0e3d8e-6a39-4a57-8f0e-0d6b3c7a1b11" };
    const first = await client.resetBreaker(request);
    expect((await client.resetBreaker(request)).breaker).toEqual(first.breaker);
    expect((await client.getBreaker({ name })).breaker?.epoch).toBe(2n);
    expect(await failure(client.resetBreaker({ ...request, name: "other" }))).toMatchObject({
      reason: "REQUEST_ID_REUSED",
    });
  });

  it("answers SERVER_DRAINING after its end", async () => {
    const { client, breakers } = await withBreaker();
    await breakers.close();
    for (const call of [client.acquirePermit({ name }), client.openBreaker({ name })]) {
      expect(await failure(call)).toMatchObject({ code: "Unavailable", reason: "SERVER_DRAINING" });
    }
  });
});

describe("BreakerService: WatchBreakers", () => {
  async function next(frames: AsyncIterator<WatchBreakersResponse>): Promise<WatchBreakersResponse> {
    const { value, done } = await frames.next();
    if (done) throw new Error("the watch ended");
    return value;
  }

  it("sends a snapshot, then every transition with its cause, and a deletion", async () => {
    const setup = await withBreaker();
    const { client, clock, breakers } = setup;
    const stop = new AbortController();
    const frames = client.watchBreakers({}, { signal: stop.signal })[Symbol.asyncIterator]();
    const snapshot = await next(frames);
    const { breaker } = await client.getBreaker({ name });
    expect(snapshot.frame).toMatchObject({ case: "snapshot", value: { breakers: [breaker], complete: true } });
    expect(snapshot.heartbeatInterval?.seconds).toBe(15n);

    const received: unknown[] = [];
    const record = ({ frame }: WatchBreakersResponse): void => {
      if (frame.case !== "changes") throw new Error(frame.case);
      for (const { change, cause } of frame.value.changes) {
        const state = change.case === "put" ? change.value.state : change.case;
        received.push([cause?.action, cause?.actor, state]);
      }
    };
    const read = async (): Promise<void> => {
      await breakers.stored();
      record(await next(frames));
    };
    await report(setup, { epoch: 1n }, Outcome.FAILURE, 2);
    await read();
    clock.advance(10_000);
    await read();
    await client.openBreaker({ name, ...who });
    await read();
    await client.resetBreaker({ name, actor: "bob" });
    await read();
    await client.deleteBreaker({ name, ...who });
    await read();
    stop.abort();
    expect(received).toEqual([
      ["Trip", "", BreakerState.OPEN],
      ["HalfOpen", "", BreakerState.HALF_OPEN],
      ["OpenBreaker", "ana", BreakerState.OPEN],
      ["ResetBreaker", "bob", BreakerState.CLOSED],
      ["DeleteBreaker", "ana", "deleted"],
    ]);
  });

  it("sends a change as the mutation returned it", async () => {
    const { client } = await withBreaker();
    const stop = new AbortController();
    const frames = client.watchBreakers({ names: [name] }, { signal: stop.signal })[Symbol.asyncIterator]();
    await next(frames);
    const { breaker } = await client.openBreaker({ name, ...who });
    const frame = await next(frames);
    expect(frame.frame).toMatchObject({
      case: "changes",
      value: { changes: [{ change: { case: "put", value: breaker } }] },
    });
    expect(frame.revision).toBe(breaker?.revision);
    stop.abort();
  });

  it("resumes after the token of the last frame, without a gap and in order", async () => {
    const setup = await withBreaker();
    const { client, clock, breakers } = setup;
    const first = client.watchBreakers({ names: [name] })[Symbol.asyncIterator]();
    const { resumeToken } = await next(first);
    await first.return?.();
    await client.getOrCreateBreaker({ name: "other" });
    await report(setup, { epoch: 1n }, Outcome.FAILURE, 2);
    clock.advance(10_000);
    await breakers.stored();
    const stop = new AbortController();
    const second = client
      .watchBreakers({ names: [name], resumeToken }, { signal: stop.signal })
      [Symbol.asyncIterator]();
    const { frame } = await next(second);
    const changes = frame.case === "changes" ? frame.value.changes : [];
    expect(changes.map(({ change }) => change.case === "put" && [change.value.state, change.value.epoch])).toEqual([
      [BreakerState.OPEN, 2n],
      [BreakerState.HALF_OPEN, 3n],
    ]);
    stop.abort();
  });

  it("ends with REVISION_COMPACTED for a token of another store, on request", async () => {
    const { client } = await withBreaker();
    const resumeToken = btoa("1:another:1").replaceAll("=", "");
    const asked = client.watchBreakers({ resumeToken, onCompacted: OnCompacted.ERROR })[Symbol.asyncIterator]();
    expect(await failure(next(asked))).toMatchObject({ code: "OutOfRange", reason: "REVISION_COMPACTED" });
  });
});
