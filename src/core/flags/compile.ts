import { ConditionFailed } from "../../kernel/flags/condition/flag.ts";
import type { Condition } from "../../kernel/flags/condition/shared.ts";
import { type CompiledFlag, compileFlag, MAX_CLOSURE } from "../../kernel/flags/evaluate.ts";
import type { FlagRule } from "../../kernel/flags/rule.ts";
import { messageOf } from "../errors/error.ts";
import type { Log } from "../log.ts";
import { closureOf } from "./changes/prerequisites.ts";
import type { ConditionCompiler } from "./condition.ts";
import type { Flag } from "./record.ts";

/** Compiles flags for evaluation, and keeps each until it or one of its prerequisites changes. */
export interface FlagCompiler {
  /** Undefined if there is no such flag. */
  compiled(name: string): CompiledFlag | undefined;
  /** The flag without its prerequisites. Only its method `alone` may be used. */
  own(name: string): CompiledFlag | undefined;
  /**
   * The compiled condition of the flag; one that cannot be compiled fails when it is evaluated. Undefined if the flag has
   * none, or there is no compiler.
   */
  condition(name: string): Condition | undefined;
  /** Call it after a change of the flag. */
  forget(name: string): void;
}

interface Own {
  readonly rule: FlagRule;
  readonly condition: Condition | undefined;
  /** Without its prerequisites. */
  readonly flag: CompiledFlag;
}

/** `find` returns the present flags. */
export function createFlagCompiler(
  find: (name: string) => Flag | undefined,
  compileCondition: ConditionCompiler | undefined,
  log: Log,
): FlagCompiler {
  const owns = new Map<string, Own>();
  const linked = new Map<string, CompiledFlag>();
  /** The prerequisites of each linked flag, direct and indirect. */
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
