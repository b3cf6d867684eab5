import type { HeliosClient } from "../../clients/typescript/src/index.ts";
import type { Errors } from "./errors.ts";
import { every, type Repeated } from "./every.ts";

const SWAP_EVERY_MS = 2000;
/** One of this many new versions is faulty, and must not serve. */
const SICK_EVERY = 10;
/** Time between two orders of a feed. */
const ORDER_EVERY_MS = 50;

/** Configuration of a feed's version. It also tries to send orders before it serves and after it has been retired. */
export const configOf = (more: object = {}) => ({ everyMs: ORDER_EVERY_MS, eager: true, ...more });

/** Swaps one feed after the other to the next file, without end. */
export function startSwaps(
  client: HeliosClient,
  feeds: readonly string[],
  files: readonly string[],
  errors: Errors,
): Repeated {
  const swap = async (count: number): Promise<void> => {
    const isSick = count % SICK_EVERY === SICK_EVERY - 1;
    const request = {
      name: feeds[count % feeds.length] ?? "",
      newVersionPath: files[count % files.length] ?? "",
      version: `v${count + 2}`,
      config: configOf({ count, sick: isSick }),
      actor: "soak",
    };
    try {
      const { swapped, failedStep, failure } = await client.modules.swapModule(request);
      if (swapped === isSick) errors.count("swap", swapped ? "a sick version serves" : `${failedStep}: ${failure}`);
    } catch (error) {
      errors.count("swap", error);
    }
  };
  return every(SWAP_EVERY_MS, swap, () => errors.count("swap", "the service does not keep up"));
}
