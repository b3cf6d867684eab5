import type { BreakerConfigFields } from "../../../src/core/breakers/validate.ts";
import type { Outcome } from "../../../src/kernel/breakers/machine.ts";
import { acquired, fail, type Rig, rig } from "./rig.ts";

export const FAST: BreakerConfigFields = {
  failureThreshold: 3,
  timeoutMs: 1000,
  successThreshold: 2,
  probeTimeoutMs: 500,
};

export async function withBreaker(config: BreakerConfigFields = {}): Promise<Rig> {
  const house = await rig();
  await house.breakers.getOrCreate("api", { ...FAST, ...config });
  return house;
}

export async function open(config: BreakerConfigFields = {}): Promise<Rig> {
  const house = await withBreaker(config);
  const { failureThreshold } = house.breakers.get("api").config;
  fail(house, "api", failureThreshold);
  return house;
}

export async function halfOpen(config: BreakerConfigFields = {}): Promise<Rig> {
  const house = await open(config);
  house.clock.advance(1000);
  return house;
}

export const now = ({ breakers }: Rig) => breakers.get("api");
export const take = ({ breakers }: Rig, clientId?: string) => acquired(breakers.acquire("api", clientId));
export const say = ({ breakers }: Rig, permit: ReturnType<typeof take>, outcome: Outcome, ms = 0) =>
  breakers.record("api", permit, outcome, ms);
let seq = 0;
export const report = (house: Rig, clientId: string, outcome: Outcome, count = 1) => {
  seq += 1;
  return house.breakers.report(clientId, seq, [{ name: "api", epoch: now(house).epoch, runs: [{ outcome, count }] }]);
};
