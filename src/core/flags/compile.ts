import { ConditionFailed } from "../../kernel/flags/condition/flag.ts";
import type { Condition } from "../../kernel/flags/condition/shared.ts";
import { type CompiledFlag, compileFlag, MAX_CLOSURE } from "../../kernel/flags/evaluate.ts";
import type { FlagRule } from "../../kernel/flags/rule.ts";
import { messageOf } from "../errors/error.ts";
import type { Log } from "../log.ts";
import { closureOf } from "./changes/prerequisites.ts";
import type { ConditionCompiler } from "./condition.ts";
import type { Flag } from "./record.ts";

/** Flags made ready for evaluation, each once until it, or one that it needs, is forgotten. */
export interface FlagCompiler {
  /** Undefined: there is no such flag. */
  compiled(name: string): CompiledFlag | undefined;
  /** The same, but for its prerequisites: only `alone` of it means something. */
  own(name: string): CompiledFlag | undefined;
  /** The condition of that flag, made ready: one that cannot be read fails. Undefined: it has none, or none are compiled. */
  condition(name: string): Condition | undefined;
  /** After a change of that flag. */
  forget(name: string): void;
}

interface Own {
  readonly rule: FlagRule;
  readonly condition: Condition | undefined;
  /** But for its prerequisites. */
  readonly flag: CompiledFlag;
}

/** Compiles the flags that `find` finds. */
export function createFlagCompiler(
  find: (name: string) => Flag | undefined,
  compileCondition: ConditionCompiler | undefined,
  log: Log,
): FlagCompiler {
  const owns = new Map<string, Own>();
  const linked = new Map<string, CompiledFlag>();
  /** What each linked flag was made of, besides itself. */
  const closures = new Map<string, ReadonlySet<string>>();

  const conditionOf = (name: string, source: string): Condition | undefined => {
    try {
      return compileCondition?.(source);
    } catch (error) {
      const problem = messageOf(error);
      log("flags", "error", "the condition of a stored flag cannot be read", { name, source, error: problem });
      return () => {
        throw new ConditionFailed("VALUE", `cannot be read: ${problem}`);
      };
    }
  };

  const own = (name: string): Own | undefined => {
    const known = owns.get(name);
    if (known !== undefined) return known;
    const flag = find(name);
    if (flag === undefined) return undefined;
    const rule = { ...flag.record, name, revision: flag.revision };
    const condition = rule.condition === undefined ? undefined : conditionOf(name, rule.condition);
    const fresh = { rule, condition, flag: compileFlag(rule, { condition }) };
    owns.set(name, fresh);
    return fresh;
  };

  const link = (name: string, { rule, condition, flag }: Own): CompiledFlag => {
    if (rule.prerequisites === undefined) return flag;
    const closure = closureOf(name, (each) => own(each)?.rule.prerequisites);
    closures.set(name, closure);
    if (closure.size > MAX_CLOSURE) {
      log("flags", "error", "a stored flag needs too many flags, and is off", { name, most: MAX_CLOSURE });
    }
    return compileFlag(rule, { condition, prerequisites: [...closure].map((each) => own(each)?.flag) });
  };

  return {
    compiled(name) {
      const known = linked.get(name);
      if (known !== undefined) return known;
      const mine = own(name);
      if (mine === undefined) return undefined;
      const fresh = link(name, mine);
      linked.set(name, fresh);
      return fresh;
    },
    own: (name) => own(name)?.flag,
    condition: (name) => own(name)?.condition,
    forget(name) {
      owns.delete(name);
      linked.delete(name);
      closures.delete(name);
      for (const [dependent, closure] of closures) {
        if (!closure.has(name)) continue;
        linked.delete(dependent);
        closures.delete(dependent);
      }
    },
  };
}
