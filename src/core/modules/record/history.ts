import type { ResolvedModule } from "../host/types/host.ts";
import type { GenerationRecord, ModuleRecord, Served } from "./record.ts";

/**
 * Generations of a module that are remembered, and to which a rollback can return. Beyond them the oldest are
 * forgotten, and `RollbackModule` answers `GENERATION_NOT_FOUND`. Generations that are still needed stay.
 * @limit generations
 */
const KEPT_GENERATIONS = 20;

type Life = Pick<GenerationRecord, "served" | "startTime"> & Partial<Pick<GenerationRecord, "end" | "endTime">>;

/** Returns the record with a generation added or changed. Fields that `life` does not have stay as they are recorded. */
export function remember(
  record: ModuleRecord,
  { registration, code, configVersion, running }: Served,
  life: Life,
): ModuleRecord {
  const known = record.generations.find(({ number }) => number === running.generation);
  const { config } = registration;
  const { generation: number, version } = running;
  const fresh: GenerationRecord = { number, version, code, configVersion, config, ...life };
  const merged = known === undefined ? fresh : { ...known, ...life, startTime: known.startTime };
  const others = record.generations.filter((one) => one.number !== number);
  const generations = [merged, ...others].sort((a, b) => b.number - a.number);
  return { ...record, generations: kept(generations, number, record.generation) };
}

/** Returns the record after the end of a generation. */
export function rememberEnd(record: ModuleRecord, number: number, end: string, endTime: number): ModuleRecord {
  const generations = record.generations.map((one) =>
    one.number === number && one.end === undefined ? { ...one, end, endTime } : one,
  );
  return { ...record, generations };
}

/** Returns the record after the end of all generations. */
export function rememberEnds(record: ModuleRecord, end: string, endTime: number): ModuleRecord {
  const running = record.generations.filter((one) => one.end === undefined);
  return running.reduce((ended, { number }) => rememberEnd(ended, number, end, endTime), record);
}

/** Returns the newest generations, and those in `always`. */
function kept(generations: readonly GenerationRecord[], ...always: readonly number[]): readonly GenerationRecord[] {
  const newest = generations.slice(0, KEPT_GENERATIONS);
  return [...newest, ...generations.slice(KEPT_GENERATIONS).filter(({ number }) => always.includes(number))];
}

/**
 * Returns the generation to return to. `wanted` 0 stands for the last one that served with code or configuration other than
 * those that run, or that failed to start. Undefined if no such generation is remembered.
 */
export function earlierGeneration(record: ModuleRecord, wanted: number): GenerationRecord | undefined {
  const { generations, configVersion, generation, lifecycle } = record;
  const failed = lifecycle.state === "FAILED";
  const artifact = failed ? (lifecycle.last ?? lifecycle.failure).artifact : record.code.artifact;
  const differs = ({ code, configVersion: version }: GenerationRecord): boolean =>
    code.artifact !== artifact || code.modulePath !== record.code.modulePath || version !== configVersion;
  return generations.find((one) =>
    wanted === 0
      ? one.served && (one.number < generation || failed) && differs(one)
      : one.number === wanted && (wanted !== generation || failed),
  );
}

/** Returns all code of a module that may still be started. */
export function codeOf({ code, generations }: ModuleRecord): readonly ResolvedModule[] {
  return [code, ...generations.map((generation) => generation.code)];
}
