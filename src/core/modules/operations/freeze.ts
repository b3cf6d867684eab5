import type { EvaluationContext } from "../../../kernel/flags/evaluate.ts";
import { HeliosError, isReason } from "../../errors/error.ts";
import { type FlagPasts, whoSwitchedOff } from "../../flags/switched-off.ts";
import { printTime } from "../../text/rfc3339.ts";

/** The flag that must be on, for the context `system` = the module's name, for a module to be replaced. */
const HOT_RELOAD_FLAG = "hot_reload_modules";

/** Whether modules may be replaced while they serve: what the flag `hot_reload_modules` says. */
export interface HotReload {
  /**
   * HOT_RELOAD_DISABLED, with those of the modules that may not be, and who switched the flag off. One that is not there
   * forbids nothing.
   */
  check(names: readonly string[]): Promise<void>;
}

/** Who a change of a flag is of where nobody was named. */
const UNNAMED: Readonly<Record<string, string>> = { ReloadFlags: "the flags file", InstallFlags: "the flags file" };

export function createHotReload(flags: FlagPasts): HotReload {
  const answer = (name: string): ReturnType<FlagPasts["evaluate"]> | undefined => {
    try {
      return flags.evaluate(HOT_RELOAD_FLAG, contextOf(name));
    } catch (error) {
      // A flag that was deleted forbids nothing.
      if (isReason(error, "FLAG_NOT_FOUND")) return undefined;
      throw error;
    }
  };
  const isOn = (name: string): boolean => answer(name)?.enabled ?? true;

  return {
    async check(names) {
      const off = names.filter((name) => !isOn(name));
      const [first] = off;
      if (first === undefined) return;
      const evaluation = answer(first);
      const who = await whoSwitchedOff(flags, HOT_RELOAD_FLAG, contextOf(first));
      const { action = "", actor = "", reason = "" } = who?.cause ?? {};
      throw HeliosError.of("HOT_RELOAD_DISABLED", {
        module: off.join(", "),
        flag: who?.flag ?? HOT_RELOAD_FLAG,
        actor: actor || (UNNAMED[action] ?? "somebody who gave no name"),
        evaluation: evaluation?.errorCode ?? evaluation?.reason ?? "DISABLED",
        action,
        ...(reason === "" ? {} : { reason }),
        ...(who === undefined ? {} : { time: printTime(who.time) }),
      });
    },
  };
}

function contextOf(name: string): EvaluationContext {
  return { system: name };
}
