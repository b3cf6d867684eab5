import type { EvaluationContext } from "../../../kernel/flags/evaluation.ts";
import { HeliosError, isReason } from "../../errors/error.ts";
import { type FlagPasts, whoSwitchedOff } from "../../flags/switched-off.ts";
import { printTime } from "../../text/rfc3339.ts";

/** A module can be replaced only while this flag is on for a context whose `system` is the module's name. */
const HOT_RELOAD_FLAG = "hot_reload_modules";

/** The flag `hot_reload_modules` decides whether modules can be replaced while they serve. */
export interface HotReload {
  /**
   * Rejects with HOT_RELOAD_DISABLED if some of the modules must not be replaced. The error names them, and who switched the
   * flag off. If the flag does not exist, every module can be replaced.
   */
  check(names: readonly string[]): Promise<void>;
}

/** The actor to show for a change of a flag whose cause has no actor. */
const UNNAMED: Readonly<Record<string, string>> = { ReloadFlags: "the flags file", InstallFlags: "the flags file" };

export function createHotReload(flags: FlagPasts): HotReload {
  const answer = (name: string): ReturnType<FlagPasts["evaluate"]> | undefined => {
    try {
      return flags.evaluate(HOT_RELOAD_FLAG, contextOf(name));
    } catch (error) {
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
