import { createFlagCompiler, type FlagCompiler } from "../../../src/core/flags/compile.ts";
import type { Flag } from "../../../src/core/flags/record.ts";
import { silentLog } from "../../../src/core/log.ts";
import { referenceCondition, type World } from "../../kernel/flags/reference.ts";

/** Converts the plain rules into flags of a store. */
export function flagIn(world: World, name: string): Flag | undefined {
  const rule = world.get(name);
  if (rule === undefined) return undefined;
  const { name: _, revision, ...fields } = rule;
  return { name, record: { ...fields, description: "" }, revision, etag: "", size: 0, createTime: 0, updateTime: 0 };
}

/** Compiles the flags with the conditions of the tests. */
export function compilerOver(world: World): FlagCompiler {
  const compileCondition = (source: string) => (context: Parameters<typeof referenceCondition>[1]) =>
    referenceCondition(source, context);
  return createFlagCompiler((name) => flagIn(world, name), compileCondition, silentLog);
}
