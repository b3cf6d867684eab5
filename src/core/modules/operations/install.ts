import { isReason, messageOf, type Reason } from "../../errors/error.ts";
import { Collection } from "../../store/collection.ts";
import type { Feed } from "../../store/feed.ts";
import type { ResolvedModule } from "../host/types/host.ts";
import { fileInvalid, type ModulesFile, parseModulesFile } from "../record/modules-file.ts";
import type { Registration } from "../record/record.ts";
import { type OperationContext, verified } from "./context.ts";
import { checkCycle, newRecord } from "./register.ts";

/** What is registered and loaded at the first start. */
export interface ModulesSource {
  /** In messages. */
  readonly name: string;
  /** Its text; undefined where there is no such file. */
  read(): Promise<string | undefined>;
}

/** Fills an empty store from the modules file. MODULES_FILE_INVALID; nothing is registered then. */
export type Install = () => Promise<void>;

/** Before the feed is started. */
export function createInstall(feed: Feed, context: OperationContext, source: ModulesSource): Install {
  // There while a first start is filling the store, so that the next one completes what a crash cut short.
  const filling = new Collection<Record<string, never>>(feed, "module-setup/");

  return async () => {
    if (context.collection.size > 0 && filling.size === 0) return;
    const text = await source.read().catch((error: unknown) => {
      throw fileInvalid(
        source.name,
        0,
        "(file)",
        `cannot be read: ${messageOf(error)}`,
        "a file that can be read",
        error,
      );
    });
    if (text === undefined) return;
    const file = parseModulesFile(text, source.name);
    const code = await resolveAll(context, file);
    const cause = { action: "InstallModules", reason: `first start, from ${source.name}` };
    await filling.change("first-start", cause, () => ({}));
    for (const { name, registration, load } of file.modules) {
      const found = code.get(name);
      if (found === undefined) throw new Error(`the code of module ${name} was found`);
      await context.collection.change(name, cause, (current) =>
        current === undefined
          ? { ...newRecord(registration, found), desired: load ? "ACTIVE" : "UNLOADED" }
          : undefined,
      );
    }
    await filling.delete("first-start", cause);
    context.log("modules", "info", "modules registered", { count: file.modules.length, from: source.name });
  };
}

/** The code of each module. Refuses what the registration of one after the other would refuse. */
async function resolveAll(
  context: OperationContext,
  { modules, invalid }: ModulesFile,
): Promise<ReadonlyMap<string, ResolvedModule>> {
  const registrations = new Map<string, Registration>();
  const code = new Map<string, ResolvedModule>();
  for (const { name, registration } of modules) {
    try {
      code.set(name, await verified(context, registration));
      checkCycle(name, registration, registrations);
    } catch (error) {
      const [, key, expected] = MISTAKES.find(([reason]) => isReason(error, reason)) ?? [];
      if (key === undefined || expected === undefined) throw error;
      throw invalid([name, key], messageOf(error), expected, error);
    }
    registrations.set(name, registration);
  }
  return code;
}

/** Which key of a module is wrong, by the error that says so. */
const MISTAKES: readonly (readonly [Reason, string, string])[] = [
  ["MODULE_PATH_OUTSIDE_ROOT", "module_path", "a path below the modules root"],
  ["MODULE_FILE_NOT_FOUND", "module_path", "the path of a file"],
  ["MODULE_INVALID", "module_path", "the path of a module"],
  ["MODULE_ASSET_INVALID", "assets", "paths of files and directories below the modules root"],
  ["MODULE_DIGEST_MISMATCH", "sha256", "the digest of the file"],
  ["MODULE_DEPENDENCY_CYCLE", "dependencies", "dependencies without a cycle"],
];
