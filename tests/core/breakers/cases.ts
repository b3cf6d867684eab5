import type { BreakerConfigFields } from "../../../src/kernel/breakers/config.ts";
import type { Outcome } from "../../../src/kernel/breakers/machine.ts";
import { acquired, fail, type Rig, rig } from "./rig.ts";

export const FAST: BreakerConfigFields = {
  failureThreshold: 3,
  timeoutMs: 1000,
  successThreshold: 2,
  probeTimeoutMs: 500,
};

export async function withBreaker(config: BreakerConfigFields = {}): Promise<Rig> {
  const setup = await rig();
  await setup.breakers.getOrCreate("api", { ...FAST, ...config });
  return setup;
}

export async function open(config: BreakerConfigFields = {}): Promise<Rig> {
  const setup = await withBreaker(config);
  const { failureThreshold } = setup.breakers.get("api").config;
  fail(setup, "api", failureThreshold);
  return setup;
}

export async function halfOpen(config: BreakerConfigFields = {}): Promise<Rig> {
  const setup = await open(config);
  setup.clock.advance(1000);
  return setup;
}

export const now = ({ breakers }: Rig) => breakers.get("api");
export const take = ({ breakers }: Rig, clientId?: string) => acquired(breakers.acquire("api", clientId));
export const say = ({ breakers }: Rig, permit: ReturnType<typeof take>, outcome: Outcome, ms = 0) =>
  breakers.record("api", permit, outcome, ms);
let seq = 0;
export const report = (setup: Rig, clientId: string, outcome: Outcome, count = 1) => {
  seq += 1;
  return setup.breakers.report(clientId, seq, [{ name: "api", epoch: now(setup).epoch, runs: [{ outcome, count }] }]);
};
