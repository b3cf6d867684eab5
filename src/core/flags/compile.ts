import { closureOf } from "../../kernel/flags/closure.ts";
import { ConditionFailed } from "../../kernel/flags/condition/flag.ts";
import type { Condition } from "../../kernel/flags/condition/shared.ts";
import { type CompiledFlag, compileFlag, MAX_CLOSURE } from "../../kernel/flags/evaluate.ts";
import type { FlagRule } from "../../kernel/flags/rule.ts";
import { messageOf } from "../errors/error.ts";
import type { Log } from "../log.ts";
import type { ConditionCompiler } from "./condition.ts";
import type { Tallied } from "./counts/tally.ts";
import type { Flag } from "./record.ts";

/** A flag that can be evaluated, with the tally of its answers. */
export interface AskedFlag extends Tallied {
  readonly linked: CompiledFlag;
}

/** Compiles flags for evaluation, and keeps each until it or one of its prerequisites changes. */
export interface FlagCompiler {
  /** The compiled flag, to evaluate and count it. Undefined if there is no such flag. */
  asked(name: string): AskedFlag | undefined;
  /** Undefined if there is no such flag. */
  compiled(name: string): CompiledFlag | undefined;
  /** The flag without its prerequisites. Only its method `alone` may be used. */
  own(name: string): CompiledFlag | undefined;
  /**
   * The compiled condition of the flag; one that cannot be compiled fails when it is evaluated. Undefined if the flag has
   * none, or there is no compiler.
   */
  condition(name: string): Condition | undefined;
  /** Whether `compiled` logs that the flag cannot be evaluated as it is stored. It keeps nothing of the flag. */
  isBroken(name: string): boolean;
  /** Call it after a change of the flag, once `find` and `dependentsOf` return the state after all changes of its revision. */
  forget(name: string): void;
}

interface Own extends Tallied {
  readonly condition: Condition | undefined;
  /** Without its prerequisites. */
  readonly flag: CompiledFlag;
  /** With its prerequisites; the same as `flag` if it has none. Undefined until it is needed. */
  linked: CompiledFlag | undefined;
}

/**
 * `find` returns the present flags, and `dependentsOf` the names of those that have it as a direct prerequisite. Flags that
 * never change need no `dependentsOf`.
 */
export function createFlagCompiler(
  find: (name: string) => Flag | undefined,
  compileCondition: ConditionCompiler | undefined,
  log: Log,
  dependentsOf: (name: string) => Iterable<string> = () => [],
): FlagCompiler {
  const owns = new Map<string, Own>();

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

  const isReadable = (source: string): boolean => {
    try {
      compileCondition?.(source);
      return true;
    } catch {
      return false;
    }
  };

  const own = (name: string): Own | undefined => {
    const known = owns.get(name);
    if (known !== undefined) return known;
    const flag = find(name);
    if (flag === undefined) return undefined;
    const source = flag.record.condition;
    const condition = source === undefined ? undefined : conditionOf(name, source);
    const fresh: Own = {
      condition,
      flag: compileFlag(ruleOf(flag), { condition }),
      linked: undefined,
      tally: undefined,
    };
    owns.set(name, fresh);
    return fresh;
  };

  const needs = (name: string): readonly string[] | undefined => find(name)?.record.prerequisites;

  const link = (name: string, { condition, flag }: Own): CompiledFlag => {
    const present = find(name);
    if (present?.record.prerequisites === undefined) return flag;
    const closure = closureOf(name, needs);
    if (closure.size > MAX_CLOSURE) {
      log("flags", "error", "a stored flag needs too many flags, and is off", { name, most: MAX_CLOSURE });
    }
    return compileFlag(ruleOf(present), { condition, prerequisites: [...closure].map((each) => own(each)?.flag) });
  };

  const asked = (name: string): AskedFlag | undefined => {
    const mine = own(name);
    if (mine !== undefined) mine.linked ??= link(name, mine);
    return mine as AskedFlag | undefined;
  };

  return {
    asked,
    compiled: (name) => asked(name)?.linked,
    own: (name) => own(name)?.flag,
    condition: (name) => own(name)?.condition,
    isBroken(name) {
      const { condition, prerequisites } = find(name)?.record ?? {};
      if (condition !== undefined && !isReadable(condition)) return true;
      if (prerequisites === undefined) return false;
      return closureOf(name, needs).size > MAX_CLOSURE;
    },
    forget(name) {
      owns.delete(name);
      // The iteration also visits names that are added during it.
      const affected = new Set([name]);
      for (const each of affected) {
        const mine = owns.get(each);
        if (mine !== undefined) mine.linked = undefined;
        for (const dependent of dependentsOf(each)) affected.add(dependent);
      }
    },
  };
}

function ruleOf({ name, record, revision }: Flag): FlagRule {
  return { ...record, name, revision };
}
