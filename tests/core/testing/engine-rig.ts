import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll } from "vitest";
import { createEngine, type Engine, type EngineOptions, type Modules } from "../../../src/core/index.ts";

export interface SharedEngine {
  /** Only within a test or a hook. */
  engine(): Engine;
  /** Writes files below the modules root. */
  write(files: Readonly<Record<string, string>>): void;
}

/**
 * An engine for all tests of the suite that calls this, because a new one takes longer than most tests. After each test its
 * modules except `kept`, its suites and its runs are deleted, and the files of its root, unless the root is given.
 */
export function sharedEngine(options: Partial<EngineOptions> = {}, kept: readonly string[] = []): SharedEngine {
  let own: string | undefined;
  let engine: Engine;
  beforeAll(async () => {
    if (options.modulesRoot === undefined) own = mkdtempSync(join(tmpdir(), "helios-modules-"));
    engine = await createEngine({ modulesRoot: own ?? "", ...options });
  });
  afterEach(async () => {
    await clear(engine, kept);
    if (own !== undefined) for (const name of readdirSync(own)) rmSync(join(own, name), { recursive: true });
  });
  afterAll(async () => {
    await engine.close();
    if (own !== undefined) rmSync(own, { recursive: true });
  });
  return {
    engine: () => engine,
    write(files) {
      if (own === undefined) throw new Error("this engine has no root of its own");
      for (const [file, text] of Object.entries(files)) {
        mkdirSync(dirname(join(own, file)), { recursive: true });
        writeFileSync(join(own, file), text);
      }
    },
  };
}

async function deleteWithDependents(modules: Modules, name: string): Promise<void> {
  const has = (one: string): boolean => modules.list().some((module) => module.name === one);
  if (!has(name)) return;
  const dependents = modules.list().filter(({ record }) => record.registration.dependencies.includes(name));
  for (const dependent of dependents) await deleteWithDependents(modules, dependent.name);
  await modules.delete(name);
}

async function clear({ modules, testing }: Engine, kept: readonly string[]): Promise<void> {
  const names = modules.list().flatMap(({ name }) => (kept.includes(name) ? [] : [name]));
  for (const name of names) {
    await testing.deleteRuns(name);
    await modules.unload(name, { cascade: true });
  }
  for (const name of names) await deleteWithDependents(modules, name);
  const created = testing.listSuites().filter(({ resource }) => resource !== undefined);
  for (const { name } of created) await testing.deleteSuite(name);
}
