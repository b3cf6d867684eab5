import { HeliosError } from "../../../errors/error.ts";
import type { Payload } from "../../host/types/host.ts";
import type { Registration } from "../../record/record.ts";

/** Answers a call in place of a module. Rejects as the module's method would. */
export type StandIn = (input: Payload, options: StandInOptions) => Promise<Payload>;

export interface StandInOptions {
  /** The method in the caller's spelling, for error messages. */
  readonly method: string;
  /** Milliseconds until the caller stops waiting. Undefined: the caller has no deadline. */
  readonly timeoutMs: number | undefined;
  /** Aborted when the calling instance has ended. */
  readonly signal: AbortSignal;
}

/**
 * The rules for what an instance may call while it does not serve: the new version of a swap before the switch, or an
 * instance that is tested. Such an instance must not have effects in other modules, unless they are allowed by name. It
 * may always call methods without effects.
 */
export interface Trial {
  /** The stand-in that answers in place of a method. Undefined: the method has no stand-in. */
  standIn(dependency: string, method: string): StandIn | undefined;
  /** Whether all methods of a dependency may be called, including those with effects. */
  allows(dependency: string): boolean;
  /** Returns the error for a call that has no stand-in and is not allowed. */
  refusal(call: RefusedCall): HeliosError;
}

/** A call that a trial refuses. */
export interface RefusedCall {
  /** The name and generation of the module that made the call. */
  readonly name: string;
  readonly generation: number;
  readonly dependency: string;
  readonly method: string;
}

/** The trial of a swap's new version. It has no stand-ins, because the version will serve with the data that it loads now. */
export function swapTrial({ testAllowDependencies = [] }: Pick<Registration, "testAllowDependencies">): Trial {
  return {
    standIn: () => undefined,
    allows: (dependency) => testAllowDependencies.includes(dependency),
    refusal({ name, generation, dependency, method }) {
      const problem = `until it serves, it may only call methods without effects and the modules in test_allow_dependencies; ${method} of ${dependency} has effects, and ${dependency} is not in the list`;
      return HeliosError.of("MODULE_FENCED", { name, generation, problem });
    },
  };
}

/** Returns DEPENDENCY_NOT_STUBBED: a test called a method that has no stand-in and is not allowed. */
export function notStubbed({ name, dependency, method }: RefusedCall): HeliosError {
  return HeliosError.of("DEPENDENCY_NOT_STUBBED", { name, dependency, method });
}

/** The trial of a test without stubs and without allowed dependencies. */
export const BARE_TEST: Trial = { standIn: () => undefined, allows: () => false, refusal: notStubbed };
