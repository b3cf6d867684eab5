import type { DescService } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Health } from "../../../gen/grpc/health/v1/health_pb.ts";
import { BreakerService } from "../../../gen/helios/v1/breaker_service_pb.ts";
import { FlagService, ReloadMode } from "../../../gen/helios/v1/flag_service_pb.ts";
import { ModuleService } from "../../../gen/helios/v1/module_service_pb.ts";
import { StatusService } from "../../../gen/helios/v1/status_service_pb.ts";
import { TestService } from "../../../gen/helios/v1/test_service_pb.ts";
import { SERVICES } from "../../../src/server/contract.ts";
import { failure } from "../../rpc/served.ts";
import { soakUnless } from "../../support/soak.ts";
import { MOST, measured, PROTOCOLS, type Protocol, pages, type Size } from "./measured.ts";
import { COUNTS, crowd, fill, inherited, LEGACY, type World } from "./world.ts";

/** The most bytes of a page or a frame, unless a single item has more. */
const PAGE = 1024 * 1024 + 1024;
/** A change of a flag contains the flag before and after. */
const TWO = 2 * PAGE;

const ONE_FLAG = "one flag: 1 MiB when it is written, and abridged above 1.75 MiB";
const ONE_BREAKER = "one breaker: 100 holds with short texts, and 1 MiB of isolated clients";
const ONE_MODULE = "one module: 1 MiB when it is written, abridged above 1.75 MiB; a swap's report has short texts";
const ONE_SUITE = "one suite: 1 MiB when it is written, abridged above 1.75 MiB";
const ONE_RUN = "one report: shortened to 1 MiB";
const ONE_TRIAL = "one trial: short texts, and the names of methods, which a module sends in 1 MiB at most";
const SMALL = "numbers and short texts";

/** Answers that cannot be too large, with the reason. */
const BOUNDED: Readonly<Record<string, string>> = {
  RegisterModule: ONE_MODULE,
  GetModule: ONE_MODULE,
  DeleteModule: ONE_MODULE,
  LoadModule: ONE_MODULE,
  UnloadModule: `${ONE_MODULE}; 1 MiB of names`,
  SwapModule: ONE_MODULE,
  SwapModuleStream: ONE_MODULE,
  SwapModules: "results are abridged above 3 MiB: tests/server/map/abridged.test.ts",
  CancelSwap: ONE_MODULE,
  RollbackModule: ONE_MODULE,
  ListGenerations: "20 generations and those that live, with short texts; cut like every page",
  InvokeModule: "what the module answers: above 4 MiB that is MESSAGE_TOO_LARGE, since nobody else can make it smaller",
  CreateFlag: ONE_FLAG,
  GetFlag: ONE_FLAG,
  UpdateFlag: ONE_FLAG,
  BatchUpdateFlags: "below: as many flags as fit, and how many there are",
  DeleteFlag: ONE_FLAG,
  EnableFlag: ONE_FLAG,
  DisableFlag: ONE_FLAG,
  SetPercentage: ONE_FLAG,
  SetGradual: ONE_FLAG,
  PauseGradual: ONE_FLAG,
  ResumeGradual: ONE_FLAG,
  AddToWhitelist: ONE_FLAG,
  RemoveFromWhitelist: ONE_FLAG,
  RevertFlag: ONE_FLAG,
  EvaluateFlag: "one value of 16,384 characters",
  ExplainFlag: "one value, and a step for each of 32 prerequisites at most, with texts of 16,384 characters at most",
  ReportUsage: "the names of a request of 64 KiB at most",
  GetFlagUsage: "256 answers at most, with short texts",
  GetOrCreateBreaker: ONE_BREAKER,
  GetBreaker: ONE_BREAKER,
  UpdateBreaker: ONE_BREAKER,
  DeleteBreaker: ONE_BREAKER,
  OpenBreaker: ONE_BREAKER,
  SetBreakerOverride: ONE_BREAKER,
  ReleaseBreakerHold: ONE_BREAKER,
  ResetBreaker: ONE_BREAKER,
  AcquirePermit: SMALL,
  ReportOutcomes: "one name and one isolation for each of 1,000 reports at most",
  SimulateBreaker: "1,000 transitions at most of each course",
  ListTestRuns: "below, with reports of an earlier version, which are as large as a report may be now",
  GetSuite: ONE_SUITE,
  CreateSuite: ONE_SUITE,
  DeleteSuite: ONE_SUITE,
  RunTests: ONE_RUN,
  TestModule: ONE_RUN,
  GetTestRun: ONE_RUN,
  CancelTestRun: ONE_RUN,
  RecordTestRun: ONE_RUN,
  OpenTrial: ONE_TRIAL,
  CloseTrial: ONE_TRIAL,
  WatchAll: "frames of the other watches, which are tested below, and a tag for their part",
  AckRevision: SMALL,
  WaitForRevision: "1,000 clients and 1 MiB at most",
};

interface Case {
  /** The keys of all items, which must be unique. */
  readonly keys: readonly string[];
  readonly sizes: readonly Size[];
}

let world: World;
/** Tokens of watches that began before the service had any resources. */
const early = new Map<string, string>();

type Stream = AsyncIterable<{
  readonly resumeToken: string;
  readonly frame: { readonly case?: string | undefined; readonly value?: unknown };
}>;

/** Reads a watch until it has received that many items. */
async function watched(stream: Stream, count: number, keysOf: (frame: unknown) => string[]): Promise<string[]> {
  const keys: string[] = [];
  for await (const { frame } of stream) {
    keys.push(...keysOf(frame.value));
    if (keys.length >= count) break;
  }
  return keys;
}

function casesOf(protocol: Protocol): Readonly<Record<string, () => Promise<Case>>> {
  const { url } = world.server;
  const flags = measured(FlagService, url, protocol);
  const breakers = measured(BreakerService, url, protocol);
  const modules = measured(ModuleService, url, protocol);
  const tests = measured(TestService, url, protocol);
  const status = measured(StatusService, url, protocol);
  const fresh = { names: [], resumeToken: "", clientId: "" };
  return {
    async ListFlags() {
      const all = await pages((pageToken) => flags.client.listFlags({ pageSize: 1000, pageToken }));
      return { keys: all.flatMap((page) => page.flags.map(({ name }) => name)), sizes: flags.sizes };
    },
    async EvaluateFlags() {
      const all = await pages((pageToken) => flags.client.evaluateFlags({ pageToken }));
      return { keys: all.flatMap((page) => page.evaluations.map(({ name }) => name)), sizes: flags.sizes };
    },
    async ExportFlags() {
      const all = await pages((pageToken) => flags.client.exportFlags({ pageToken }));
      return { keys: all.flatMap((page) => Object.keys(page.flags ?? {})), sizes: flags.sizes };
    },
    async ReloadFlags() {
      const request = { mode: ReloadMode.REPLACE, dryRun: true };
      const all = await pages((pageToken) => flags.client.reloadFlags({ ...request, pageToken }));
      expect(new Set(all.map(({ differencesTotal }) => differencesTotal))).toEqual(new Set([COUNTS.flags]));
      return { keys: all.flatMap((page) => page.differences.map(({ name }) => name)), sizes: flags.sizes };
    },
    async ListFlagHistory() {
      const name = "flag-0000";
      const all = await pages((pageToken) => flags.client.listFlagHistory({ name, pageToken, pageSize: 1000 }));
      return { keys: all.flatMap((page) => page.entries.map(({ revision }) => String(revision))), sizes: flags.sizes };
    },
    async WatchFlags() {
      const keys = await watched(flags.client.watchFlags(fresh), COUNTS.flags, (frame) =>
        (frame as { flags: { name: string }[] }).flags.map(({ name }) => name),
      );
      return { keys, sizes: flags.sizes };
    },
    async ListBreakers() {
      const all = await pages((pageToken) => breakers.client.listBreakers({ pageSize: 1000, pageToken }));
      return { keys: all.flatMap((page) => page.breakers.map(({ name }) => name)), sizes: breakers.sizes };
    },
    async ResetAllBreakers() {
      const all = await pages((pageToken) => breakers.client.resetAllBreakers({ dryRun: true, pageToken }));
      expect(all[0]?.breakersTotal).toBeGreaterThanOrEqual(COUNTS.breakers);
      return { keys: all.flatMap((page) => page.breakers.map(({ name }) => name)), sizes: breakers.sizes };
    },
    async WatchBreakers() {
      const keys = await watched(breakers.client.watchBreakers(fresh), COUNTS.breakers, (frame) =>
        (frame as { breakers: { name: string }[] }).breakers.map(({ name }) => name),
      );
      return { keys, sizes: breakers.sizes };
    },
    async ListModules() {
      const all = await pages((pageToken) => modules.client.listModules({ pageSize: 1000, pageToken }));
      return { keys: all.flatMap((page) => page.modules.map(({ name }) => name)), sizes: modules.sizes };
    },
    async WatchModules() {
      const keys = await watched(modules.client.watchModules(fresh), COUNTS.modules, (frame) =>
        (frame as { modules: { name: string }[] }).modules.map(({ name }) => name),
      );
      return { keys, sizes: modules.sizes };
    },
    async ListSuites() {
      const all = await pages((pageToken) => tests.client.listSuites({ pageSize: 1000, pageToken }));
      return { keys: all.flatMap((page) => page.suites.map(({ name }) => name)), sizes: tests.sizes };
    },
    async GetStatus() {
      const { status: answered } = await status.client.getStatus({});
      expect(answered?.unhealthyTotal).toBeGreaterThanOrEqual(COUNTS.breakers);
      return { keys: answered?.unhealthy.map(({ name }) => name) ?? [], sizes: status.sizes };
    },
    async WatchEvents() {
      const request = { domains: [], resumeToken: early.get("WatchEvents") ?? "" };
      let at = 0;
      const count = COUNTS.flags + COUNTS.breakers;
      const keys = await watched(
        status.client.watchEvents(request),
        count,
        (frame) => (frame as { events?: unknown[] }).events?.map(() => String(at++)) ?? [],
      );
      return { keys, sizes: status.sizes };
    },
  };
}

const LISTS = [
  ...["ListFlags", "ListFlagHistory", "WatchFlags", "ListBreakers", "WatchBreakers", "ListModules", "WatchModules"],
  ...["ListSuites", "GetStatus", "WatchEvents"],
];
/** RPCs that answer without pages if everything fits into one message of the caller's protocol, as earlier versions did. */
const WHOLES = ["EvaluateFlags", "ExportFlags", "ReloadFlags", "ResetAllBreakers"];

async function caseOf(protocol: Protocol, name: string): Promise<Case> {
  const run = casesOf(protocol)[name];
  if (run === undefined) throw new Error(`there is no case ${name}`);
  return run();
}

beforeAll(async () => {
  world = await crowd();
  const { client } = measured(StatusService, world.server.url, "gRPC");
  for await (const { resumeToken } of client.watchEvents({ domains: [] })) {
    early.set("WatchEvents", resumeToken);
    break;
  }
  await fill(world);
});

afterAll(() => world.close());

describe("every answer", () => {
  it("is tested here with more data than a message holds, or is listed as bounded with the reason", () => {
    const all = [...SERVICES].flatMap(({ methods }) => methods.map(({ name }) => name)).sort();
    expect([...Object.keys(BOUNDED), ...Object.keys(casesOf("gRPC"))].sort()).toEqual(all);
    expect(Health.methods.map(({ name }) => name)).toHaveLength(3);
  });

  for (const protocol of PROTOCOLS)
    describe(`over ${protocol}`, soakUnless(protocol === "gRPC"), () => {
      it.each(LISTS)("%s returns everything once, in messages of about 1 MiB in any protocol", async (name) => {
        const { keys, sizes } = await caseOf(protocol, name);
        expect(new Set(keys).size).toBe(keys.length);
        expect(Math.max(...sizes.map(({ longer }) => longer))).toBeLessThanOrEqual(
          name === "ListFlagHistory" ? TWO : PAGE,
        );
        if (name === "GetStatus") return;
        // Otherwise nothing would be proved.
        expect(sizes.reduce((sum, { longer }) => sum + longer, 0)).toBeGreaterThan(MOST / 2);
        expect(sizes.length).toBeGreaterThan(2);
      });

      it.each(WHOLES)("%s returns everything once, in one message if that fits", async (name) => {
        const { keys, sizes } = await caseOf(protocol, name);
        expect(new Set(keys).size).toBe(keys.length);
        expect(keys.length).toBeGreaterThanOrEqual(COUNTS.flags);
        const total = sizes.reduce((sum, { own }) => sum + own, 0);
        const most = total > MOST ? PAGE : MOST;
        expect(Math.max(...sizes.map(({ own }) => own))).toBeLessThanOrEqual(most);
        if (total < MOST - 100_000) expect(sizes).toHaveLength(1);
      });
    });

  it("fits also over REST, where each page has the token of the next", async () => {
    const { url } = world.server;
    for (const path of ["feature-flags", "feature-flags/evaluate", "feature-flags/export", "circuit-breakers"]) {
      let pageToken = "";
      let all = 0;
      do {
        const response = await fetch(`${url}/api/modularity/${path}?page_size=1000&page_token=${pageToken}`);
        expect(response.status).toBe(200);
        const text = await response.text();
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(PAGE);
        const page = JSON.parse(text) as Record<string, unknown> & { next_page_token: string };
        const list = page.flags ?? page.evaluations ?? page.breakers;
        all += Object.keys(list as object).length;
        pageToken = page.next_page_token;
      } while (pageToken !== "");
      expect(all).toBeGreaterThanOrEqual(COUNTS.flags);
    }
  });

  it("the answer to an operation on all resources has the first of them if not all fit, and their number", async () => {
    const { client, sizes } = measured(BreakerService, world.server.url, "Connect with JSON");
    const { breakers, breakersTotal, nextPageToken } = await client.resetAllBreakers({});
    expect(breakersTotal).toBeGreaterThanOrEqual(COUNTS.breakers);
    expect(nextPageToken).toBe("");
    expect(breakers.length).toBeGreaterThan(0);
    expect(sizes[0]?.own).toBeLessThan(MOST);
    expect(world.engine.breakers.list().every(({ state }) => state === "CLOSED")).toBe(true);
  });

  it("the answer to a batch has as many flags as fit, and their number", async () => {
    const { client, sizes } = measured(FlagService, world.server.url, "gRPC");
    const named = world.engine.flags.list().map(({ name }) => ({ flag: { name, description: "changed together" } }));
    const { flags, flagsTotal } = await client.batchUpdateFlags({ requests: named });
    expect(flagsTotal).toBe(COUNTS.flags);
    expect(flags.length).toBeLessThan(COUNTS.flags);
    expect(sizes[0]?.own).toBeLessThan(MOST);
    expect(world.engine.flags.list().every(({ record }) => record.description === "changed together")).toBe(true);
  });

  it("has pages only for a dry run: an executed operation has no second page", async () => {
    const { client } = measured(BreakerService, world.server.url, "gRPC");
    expect(await failure(client.resetAllBreakers({ pageSize: 1 }))).toMatchObject({ reason: "ARGUMENT_INVALID" });
  });
});

describe("a resource from an earlier version that is larger than a message", () => {
  let old: World;
  beforeAll(async () => {
    old = await inherited();
  });
  afterAll(() => old.close());

  for (const protocol of PROTOCOLS)
    describe(`over ${protocol}`, soakUnless(protocol === "gRPC"), () => {
      const of = <S extends DescService>(service: S) => measured(service, old.server.url, protocol);

      it("is returned abridged, with everything else complete", async () => {
        const { client, sizes } = of(FlagService);
        const { flags } = await client.listFlags({});
        const large = flags.find(({ name }) => name === LEGACY.flag);
        expect(large).toMatchObject({ abridged: true, whitelist: [], enabled: true });
        expect(flags.find(({ name }) => name === LEGACY.small)).toMatchObject({ abridged: false });
        expect((await client.getFlag({ name: LEGACY.flag })).flag?.abridged).toBe(true);
        const { entries } = await client.listFlagHistory({ name: LEGACY.flag });
        expect(entries.map(({ before, after }) => [before?.abridged, after?.abridged])).toEqual([
          [false, true],
          [undefined, false],
        ]);
        const modules = of(ModuleService);
        const { modules: listed } = await modules.client.listModules({});
        expect(listed).toMatchObject([{ name: LEGACY.module, abridged: true, modulePath: "echo_v1" }]);
        const tests = of(TestService);
        const { suites } = await tests.client.listSuites({});
        expect(suites.find(({ name }) => name === LEGACY.suite)).toMatchObject({ abridged: true });
        const runs = await pages((pageToken) => tests.client.listTestRuns({ name: LEGACY.module, pageToken }));
        expect(runs.flatMap((page) => page.runs)).toHaveLength(COUNTS.runs);
        expect(runs[0]?.runs[0]).toMatchObject({ shortened: true, totalTests: 500 });
        for (const { longer } of [...sizes, ...modules.sizes, ...tests.sizes]) expect(longer).toBeLessThan(MOST);
      });

      it("does not prevent watches", async () => {
        const { client, sizes } = of(FlagService);
        for await (const { frame } of client.watchFlags({})) {
          const { flags } = frame.value as { flags: { name: string; abridged: boolean }[] };
          expect(flags.filter(({ abridged }) => abridged).map(({ name }) => name)).toEqual([LEGACY.flag]);
          break;
        }
        for await (const _ of of(ModuleService).client.watchModules({})) break;
        for (const { longer } of sizes) expect(longer).toBeLessThan(PAGE);
      });

      it("is evaluated in full, and named as omitted by an export", async () => {
        const { client } = of(FlagService);
        const { evaluation } = await client.evaluateFlag({ name: LEGACY.flag, context: { userId: "alice" } });
        expect(evaluation?.enabled).toBe(true);
        // An entry without its list would lose the list when it is read again.
        const { flags, leftOut } = await client.exportFlags({});
        expect(Object.keys(flags ?? {})).toContain(LEGACY.small);
        expect(flags).not.toHaveProperty(LEGACY.flag);
        expect(leftOut).toEqual([LEGACY.flag]);
      });
    });
});
