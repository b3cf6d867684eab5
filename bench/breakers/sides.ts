import { createRequire } from "node:module";
import { ConsecutiveBreaker, circuitBreaker, handleAll, SamplingBreaker } from "cockatiel";
import { createBreakers, createHeliosClient } from "../../clients/typescript/src/index.ts";
import { startOwnServer } from "../../scripts/demo/server.ts";
import { createEngine } from "../../src/core/index.ts";

/** What is measured: a successful call, a permit and its outcome without a call, or a call that an open breaker rejects. */
export type Kind = "call" | "decide" | "reject";
/** When the breaker opens: after consecutive failures, or at a rate of failures over 10 s. */
export type Policy = "in a row" | "rate over 10 s";

export interface Side {
  readonly name: "no breaker" | "opossum" | "cockatiel" | "Helios engine" | "Helios client";
  readonly kind: Kind;
  /** Undefined: it has no breaker. */
  readonly policy: Policy | undefined;
  /** Makes this many calls, one after the other. */
  run(times: number): unknown;
}

export interface Sides {
  readonly all: readonly Side[];
  close(): Promise<void>;
}

/** Longer than the benchmark, so that an open breaker stays open. */
const OPEN_MS = 3_600_000;
const WINDOW_MS = 10_000;
const ROW = { timeoutMs: OPEN_MS };
const RATE = { ...ROW, failureRate: 0.5, windowMs: WINDOW_MS, minimumCalls: 20 };

const action = async (): Promise<number> => 1;
const failing = async (): Promise<number> => {
  throw new Error("the dependency fails");
};

type Call = (action: () => Promise<number>) => Promise<unknown>;

const calls = (name: Side["name"], policy: Side["policy"], call: Call): Side => ({
  name,
  kind: "call",
  policy,
  async run(times) {
    for (let index = 0; index < times; index += 1) await call(action);
  },
});
const decisions = (name: Side["name"], policy: Policy, decide: () => void): Side => ({
  name,
  kind: "decide",
  policy,
  run(times) {
    for (let index = 0; index < times; index += 1) decide();
  },
});

/** Opens the breaker with failed calls, and measures the calls that it rejects. */
async function rejections(name: Side["name"], policy: Policy, call: Call): Promise<Side> {
  for (let failures = 0; failures < 30; failures += 1) await call(failing).catch(() => {});
  const reaches = await call(action).then(
    () => true,
    () => false,
  );
  if (reaches) throw new Error(`the breaker of ${name}, ${policy}, did not open`);
  return {
    name,
    kind: "reject",
    policy,
    async run(times) {
      for (let index = 0; index < times; index += 1) {
        try {
          await call(action);
        } catch {
          // It is rejected, as expected.
        }
      }
    },
  };
}

type Opossum = new (
  run: (action: () => Promise<number>) => Promise<number>,
  options: object,
) => { fire(action: () => Promise<number>): Promise<number>; shutdown(): void };
const Opossum = createRequire(import.meta.url)("opossum") as Opossum;

function opossum() {
  return new Opossum((run) => run(), {
    timeout: false,
    errorThresholdPercentage: 50,
    rollingCountTimeout: WINDOW_MS,
    resetTimeout: OPEN_MS,
  });
}

function cockatiel(policy: Policy): Call {
  const breaker =
    policy === "in a row"
      ? new ConsecutiveBreaker(5)
      : new SamplingBreaker({ threshold: 0.5, duration: WINDOW_MS, minimumRps: 2 });
  const made = circuitBreaker(handleAll, { halfOpenAfter: OPEN_MS, breaker });
  return (run) => made.execute(run);
}

/** Starts a server, an engine and a client, and makes all breakers. */
export async function createSides(): Promise<Sides> {
  const server = await startOwnServer();
  const engine = await createEngine({ modulesRoot: "examples/modules" });
  const client = createHeliosClient({ baseUrl: server.baseUrl, clientId: "bench" });
  const own = createBreakers(client);
  const others = [opossum(), opossum()] as const;

  const all: Side[] = [
    calls("no breaker", undefined, (run) => run()),
    calls("opossum", "rate over 10 s", (run) => others[0].fire(run)),
    await rejections("opossum", "rate over 10 s", (run) => others[1].fire(run)),
  ];
  for (const policy of ["in a row", "rate over 10 s"] as const) {
    const [id, config] = policy === "in a row" ? ["row", ROW] : ["rate", RATE];
    await engine.breakers.getOrCreate(id, config);
    const handle = engine.breakers.handle(id);
    const open = engine.breakers.handle(`${id}-open`, { config });
    const [breaker, openBreaker] = [own.breaker(id, config), own.breaker(`${id}-open`, config)];
    for (const one of [breaker, openBreaker])
      if (!(await one.ready())) throw new Error("the breaker did not connect to the service");
    all.push(
      calls("cockatiel", policy, cockatiel(policy)),
      calls("Helios engine", policy, (run) => handle.call(run)),
      calls("Helios client", policy, (run) => breaker.call(run)),
      decisions("Helios engine", policy, () => engine.breakers.record(id, engine.breakers.acquire(id), "SUCCESS", 1)),
      decisions("Helios client", policy, () => breaker.tryAcquire()?.settle("SUCCESS", 1)),
      await rejections("cockatiel", policy, cockatiel(policy)),
      await rejections("Helios engine", policy, (run) => open.call(run)),
      await rejections("Helios client", policy, (run) => openBreaker.call(run)),
    );
  }

  return {
    all,
    async close() {
      await own.close();
      client.close();
      for (const one of others) one.shutdown();
      await engine.close();
      await server.stop();
    },
  };
}
