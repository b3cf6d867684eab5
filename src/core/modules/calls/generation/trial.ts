import { HeliosError } from "../../../errors/error.ts";
import type { Payload } from "../../host/types/host.ts";
import type { Registration } from "../../record/record.ts";

/** Answers a call in the place of a module. Rejects as the module's method would. */
export type StandIn = (input: Payload, options: StandInOptions) => Promise<Payload>;

export interface StandInOptions {
  /** As the caller wrote it; for messages. */
  readonly method: string;
  /** Ms until the caller gives up; undefined: it has no deadline of its own. */
  readonly timeoutMs: number | undefined;
  /** Aborted when the caller has ended. */
  readonly signal: AbortSignal;
}

/**
 * What an instance reaches that does not serve: the new version of a swap before the switch, or one that tests are run
 * on. Whatever it reaches for real, it must not have effects there. Methods without effects it may always call.
 */
export interface Trial {
  /** What answers in the place of a method; undefined: nothing does. */
  standIn(dependency: string, method: string): StandIn | undefined;
  /** Whether the methods of a dependency may be called for real, with whatever effects they have. */
  allows(dependency: string): boolean;
  /** The error of a call that is neither answered by a stand-in nor allowed. */
  refusal(call: RefusedCall): HeliosError;
}

/** A call that a trial refuses. */
export interface RefusedCall {
  /** The module that made it, and which start of its code. */
  readonly name: string;
  readonly generation: number;
  readonly dependency: string;
  readonly method: string;
}

/** The trial of a swap's new version: nothing stands in for what it depends on, since it is to serve with what it learns. */
export function swapTrial({ testAllowDependencies = [] }: Pick<Registration, "testAllowDependencies">): Trial {
  return {
    standIn: () => undefined,
    allows: (dependency) => testAllowDependencies.includes(dependency),
    refusal({ name, generation, dependency, method }) {
      const problem = `until it does, it may call methods without effects alone, and what test_allow_dependencies names: ${method} of ${dependency} is neither`;
      return HeliosError.of("MODULE_FENCED", { name, generation, problem });
    },
  };
}

/** The error of a test's call that reaches nothing. */
export function notStubbed({ name, dependency, method }: RefusedCall): HeliosError {
  return HeliosError.of("DEPENDENCY_NOT_STUBBED", { name, dependency, method });
}

/** The trial of a test in which nothing was said of the dependencies. */
export const BARE_TEST: Trial = { standIn: () => undefined, allows: () => false, refusal: notStubbed };
