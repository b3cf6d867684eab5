import type { BreakerConfigFields } from "../../kernel/breakers/config.ts";
import type { Permit } from "../../kernel/breakers/machine.ts";
import { isReason } from "../errors/error.ts";
import type { Breakers } from "./types.ts";

/**
 * Asks whether a call may go ahead. Creates the breaker with `config` if it does not exist or was deleted. The answer is a
 * promise only then, because calls are frequent.
 */
export function acquireOrCreate(
  breakers: Pick<Breakers, "acquire" | "getOrCreate">,
  name: string,
  config: BreakerConfigFields | undefined,
): Permit | Promise<Permit> {
  try {
    return breakers.acquire(name);
  } catch (error) {
    if (!isReason(error, "BREAKER_NOT_FOUND")) throw error;
    return breakers.getOrCreate(name, config).then(() => breakers.acquire(name));
  }
}
