import type { Violation } from "../../errors/violation.ts";
import { encodedSize } from "../../json/size.ts";
import { refuseTooLarge } from "../../size.ts";
import type { Registration } from "./record.ts";

/**
 * Size of a module's configuration, in the larger of its encodings; a larger one is refused with `RESOURCE_TOO_LARGE`.
 * @limit bytes
 */
export const MAX_CONFIG_BYTES = 256 * 1024;
/**
 * Size of a module's registration, with its configuration but without the values of its environment, which are never
 * shown; a larger one is refused with `RESOURCE_TOO_LARGE`. @limit bytes
 */
const MAX_REGISTRATION_BYTES = 1024 * 1024;

/** Throws RESOURCE_TOO_LARGE for a configuration above `MAX_CONFIG_BYTES`. `what` and `name` say whose it is. */
export function checkConfigSize(what: string, name: string, config: unknown): void {
  refuseTooLarge(`the config of ${what}`, name, encodedSize(config), MAX_CONFIG_BYTES);
}

/** Throws RESOURCE_TOO_LARGE for a registration that is too large, or whose configuration is. */
export function checkRegistrationSize(name: string, registration: Registration): void {
  checkConfigSize("module", name, registration.config);
  refuseTooLarge("module", name, shownSize(registration), MAX_REGISTRATION_BYTES);
}

/** The same rule for a registration in a file. */
export function registrationSizeViolation(registration: Registration): Violation | undefined {
  const config = encodedSize(registration.config);
  if (config > MAX_CONFIG_BYTES) return tooLarge(["config"], config, MAX_CONFIG_BYTES);
  const whole = shownSize(registration);
  return whole > MAX_REGISTRATION_BYTES ? tooLarge([], whole, MAX_REGISTRATION_BYTES) : undefined;
}

function shownSize({ env, ...registration }: Registration): number {
  return encodedSize({ ...registration, env: Object.keys(env) });
}

function tooLarge(path: string[], size: number, limit: number): Violation {
  return { path, problem: `it would have ${size} bytes`, expected: `at most ${limit}` };
}
