import type { ResolvedModule } from "../host/types/host.ts";
import type { GenerationRecord, ModuleRecord, Served } from "./record.ts";

/**
 * Generations of a module that are remembered, and that a rollback can go back to. Beyond them the oldest are
 * forgotten, and `RollbackModule` answers `GENERATION_NOT_FOUND`; those that are still needed stay. @limit generations
 */
const KEPT_GENERATIONS = 20;

type Told = Pick<GenerationRecord, "served" | "startTime"> & Partial<Pick<GenerationRecord, "end" | "endTime">>;

/** The record with what is known of a generation; what was known before and is not told anew stays. */
export function remember(
  record: ModuleRecord,
  { registration, code, configVersion, running }: Served,
  told: Told,
): ModuleRecord {
  const known = record.generations.find(({ number }) => number === running.generation);
  const { config } = registration;
  const { generation: number, version } = running;
  const fresh: GenerationRecord = { number, version, code, configVersion, config, ...told };
  const merged = known === undefined ? fresh : { ...known, ...told, startTime: known.startTime };
  const others = record.generations.filter((one) => one.number !== number);
  const generations = [merged, ...others].sort((a, b) => b.number - a.number);
  return { ...record, generations: kept(generations, number, record.generation) };
}

/** The record in which a generation has ended. */
export function rememberEnd(record: ModuleRecord, number: number, end: string, endTime: number): ModuleRecord {
  const generations = record.generations.map((one) =>
    one.number === number && one.end === undefined ? { ...one, end, endTime } : one,
  );
  return { ...record, generations };
}

/** The record in which all generations have ended. */
export function rememberEnds(record: ModuleRecord, end: string, endTime: number): ModuleRecord {
  const running = record.generations.filter((one) => one.end === undefined);
  return running.reduce((ended, { number }) => rememberEnd(ended, number, end, endTime), record);
}

/** The newest, and those that serve or served last. */
function kept(generations: readonly GenerationRecord[], ...always: readonly number[]): readonly GenerationRecord[] {
  const newest = generations.slice(0, KEPT_GENERATIONS);
  return [...newest, ...generations.slice(KEPT_GENERATIONS).filter(({ number }) => always.includes(number))];
}

/** All code that something may still be started from. */
export function codeOf({ code, generations }: ModuleRecord): readonly ResolvedModule[] {
  return [code, ...generations.map((generation) => generation.code)];
}
