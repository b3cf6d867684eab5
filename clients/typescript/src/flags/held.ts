import type { Flag } from "../../../../gen/helios/v1/flag_pb.ts";
import { closureOf } from "../../../../src/kernel/flags/closure.ts";
import { conditionOf } from "../../../../src/kernel/flags/condition/flag.ts";
import type { Condition } from "../../../../src/kernel/flags/condition/shared.ts";
import { type CompiledFlag, compileFlag } from "../../../../src/kernel/flags/evaluate.ts";
import type { FlagRule } from "../../../../src/kernel/flags/rule.ts";
import { fromProgram, Unsupported } from "./program.ts";
import { fromFlag, type Staleness, stalenessOf } from "./rule.ts";

/** A flag as it can be decided. */
export interface Decidable {
  /** The flag as the service sent it. */
  readonly message: Flag;
  readonly staleness: Staleness;
  /** Undefined if this client does not know a part of the flag, or of one of its prerequisites. Then `unsupported` names it. */
  readonly compiled: CompiledFlag | undefined;
  readonly unsupported: string | undefined;
}

interface Held {
  readonly message: Flag;
  readonly staleness: Staleness;
  rule: FlagRule | undefined;
  condition: Condition | undefined;
  /** Without its prerequisites. */
  own: CompiledFlag | undefined;
  problem: string | undefined;
  /** Ready for decisions. Undefined until it is needed. */
  decidable: Decidable | undefined;
}

/** The flags of the service as this client knows them. Each is compiled when it is first decided. */
export class HeldFlags {
  #flags = new Map<string, Held>();
  /** The names of the flags that have a flag as a direct prerequisite. */
  readonly #dependents = new Map<string, Set<string>>();

  get size(): number {
    return this.#flags.size;
  }

  get(name: string): Flag | undefined {
    return this.#flags.get(name)?.message;
  }

  messages(): Flag[] {
    return Array.from(this.#flags.values(), ({ message }) => message);
  }

  /** Replaces everything. A flag that is as it was stays compiled. */
  replace(flags: Iterable<Flag>): void {
    const before = this.#flags;
    this.#flags = new Map();
    this.#dependents.clear();
    const names = new Set(before.keys());
    for (const flag of flags) {
      const known = before.get(flag.name);
      const isSame = known !== undefined && known.message.etag === flag.etag && flag.etag !== "";
      this.#add(isSame ? known : held(flag));
      if (isSame) names.delete(flag.name);
      else names.add(flag.name);
    }
    for (const name of names) this.#forget(name);
  }

  put(flag: Flag): void {
    this.#leave(flag.name);
    this.#add(held(flag));
    this.#forget(flag.name);
  }

  delete(name: string): void {
    this.#leave(name);
    this.#flags.delete(name);
    this.#forget(name);
  }

  /** Undefined if there is no such flag. */
  decidable(name: string): Decidable | undefined {
    const mine = this.#flags.get(name);
    if (mine === undefined) return undefined;
    mine.decidable ??= this.#link(name, mine);
    return mine.decidable;
  }

  #add(one: Held): void {
    const { name, prerequisites } = one.message;
    this.#flags.set(name, one);
    for (const needed of prerequisites) {
      const those = this.#dependents.get(needed);
      if (those === undefined) this.#dependents.set(needed, new Set([name]));
      else those.add(name);
    }
  }

  /** The flag needs nothing any more. */
  #leave(name: string): void {
    for (const needed of this.#flags.get(name)?.message.prerequisites ?? []) {
      const those = this.#dependents.get(needed);
      those?.delete(name);
      if (those?.size === 0) this.#dependents.delete(needed);
    }
  }

  /** The flag has changed, so everything that needs it is linked anew. */
  #forget(name: string): void {
    // The iteration also visits names that are added during it.
    const affected = new Set([name]);
    for (const each of affected) {
      const mine = this.#flags.get(each);
      if (mine !== undefined) mine.decidable = undefined;
      for (const dependent of this.#dependents.get(each) ?? []) affected.add(dependent);
    }
  }

  #link(name: string, mine: Held): Decidable {
    const { message, staleness } = mine;
    compile(mine);
    const needed = [...closureOf(name, (each) => this.#flags.get(each)?.message.prerequisites)].map((each) => {
      const other = this.#flags.get(each);
      if (other !== undefined) compile(other);
      return other;
    });
    const unsupported = mine.problem ?? needed.find((other) => other?.problem !== undefined)?.problem;
    const { rule, condition, own } = mine;
    if (unsupported !== undefined || rule === undefined)
      return { message, staleness, compiled: undefined, unsupported };
    const prerequisites = needed.map((other) => other?.own);
    const compiled = needed.length === 0 ? own : compileFlag(rule, { condition, prerequisites });
    return { message, staleness, compiled, unsupported };
  }
}

function held(message: Flag): Held {
  const staleness = stalenessOf(message);
  return {
    message,
    staleness,
    rule: undefined,
    condition: undefined,
    own: undefined,
    problem: undefined,
    decidable: undefined,
  };
}

/** Compiles the flag itself, once. */
function compile(one: Held): void {
  if (one.own !== undefined || one.problem !== undefined) return;
  try {
    const rule = fromFlag(one.message);
    const { conditionProgram } = one.message;
    const condition = conditionProgram === undefined ? undefined : conditionOf(fromProgram(conditionProgram));
    one.rule = rule;
    one.condition = condition;
    one.own = compileFlag(rule, { condition });
  } catch (error) {
    one.problem = error instanceof Error ? error.message : String(error);
    // Whatever it is that cannot be compiled, this client does not know how to decide it.
    if (!(error instanceof Unsupported)) one.problem = `a flag that cannot be compiled (${one.problem})`;
  }
}
