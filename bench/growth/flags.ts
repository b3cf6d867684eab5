import { createEngine, type Engine, type FlagFields, type FlagUpdate } from "../../src/core/index.ts";
import { compileCondition } from "../../src/server/cel/condition.ts";

/** Flags of one batch. */
const BATCH = 1000;
const DAY = 86_400_000;

/** The name of a flag. Consecutive numbers are far from each other in the order of names. */
export function nameOf(index: number): string {
  return `team_${index % 97}.service_${index % 13}.feature_${index}`;
}

/**
 * A flag as a trading system would have it. Of twenty, eight are percentages, four are targeted by a condition, three are
 * gradual, three have a whitelist, one has variants, and one is on for everyone. Every fourth condition is one that no other
 * flag has.
 */
export function fieldsOf(index: number): FlagFields {
  const common = {
    enabled: index % 10 !== 9,
    description: `Feature ${index} of the order path; see the runbook of team ${index % 97}.`,
    owner: `team_${index % 97}`,
    tags: ["trading", `service_${index % 13}`],
  };
  const kind = index % 20;
  if (kind < 8) return { ...common, strategy: "PERCENTAGE", percentage: (index * 7) % 101 };
  if (kind < 12) return { ...common, strategy: "ALL_ON", condition: conditionOf(index) };
  if (kind < 15) {
    const start = Date.now() - DAY;
    const gradual = { initialPercentage: 0, targetPercentage: 100, startTime: start, endTime: start + 30 * DAY };
    return { ...common, strategy: "GRADUAL", gradual };
  }
  if (kind < 18) {
    const whitelist = Array.from({ length: 12 }, (_, at) => `user_id:trader_${index}_${at}`);
    return { ...common, strategy: "WHITELIST", whitelist };
  }
  if (kind < 19) return { ...common, strategy: "PERCENTAGE", percentage: 50, variants: VARIANTS };
  return { ...common, strategy: "ALL_ON" };
}

const VARIANTS = [
  { name: "control", weight: 50, value: { depth: 10, model: "a" } },
  { name: "deep", weight: 30, value: { depth: 50, model: "b" } },
  { name: "wide", weight: 20, value: { depth: 10, model: "c" } },
];

function conditionOf(index: number): string {
  if (index % 16 === 0) return `context.attributes["account"] == "acc_${index}" || context.symbol == "BTC-USD"`;
  const symbols = ["BTC-USD", "ETH-USD", "SOL-USD"][index % 3];
  return `context.symbol == "${symbols}" && context.system.startsWith("desk_${index % 50}")`;
}

/** An engine over the data directory; without one, in memory. */
export function openEngine(dataDir?: string): Promise<Engine> {
  const flagsFile = { name: "none.json", read: async () => "{}" };
  const where = dataDir === undefined ? {} : { dataDir };
  return createEngine({ modulesRoot: import.meta.dirname, flagsFile, compileCondition, ...where });
}

/** Creates `count` flags, in batches. */
export async function createFlagsIn(engine: Engine, count: number): Promise<void> {
  for (let start = 0; start < count; start += BATCH) {
    const updates = Array.from({ length: Math.min(BATCH, count - start) }, (_, at): FlagUpdate => {
      return { name: nameOf(start + at), fields: fieldsOf(start + at), allowMissing: true };
    });
    await engine.flags.updateTogether(updates);
  }
}
