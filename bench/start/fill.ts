import { createEngine } from "../../src/core/index.ts";
import { flagName } from "./names.ts";

/** Writes that are in progress at a time. */
const LANES = 256;

/** Fills a data directory with percentage flags, through the engine. */
export async function fill(directory: string, flags: number): Promise<void> {
  const engine = await createEngine({ modulesRoot: import.meta.dirname, dataDir: directory });
  const there = new Set(engine.flags.list().map(({ name }) => name));
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < flags; index = next++) {
      const name = flagName(index);
      if (!there.has(name)) await engine.flags.create(name, { enabled: true, strategy: "PERCENTAGE", percentage: 50 });
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  await engine.close();
}
