import { isReason, messageOf, type Reason } from "../../errors/error.ts";
import { readSourceFile, type SourceFile } from "../../json/source-file.ts";
import { Collection } from "../../store/collection.ts";
import type { Feed } from "../../store/feed.ts";
import type { ResolvedModule } from "../host/types/host.ts";
import { type FileModule, fileInvalid, type ModulesFile, parseModulesFile } from "../record/modules-file.ts";
import type { Registration } from "../record/record.ts";
import { type OperationContext, verified } from "./context.ts";
import { checkCycle, newRecord } from "./register.ts";

/** Fills an empty store from the modules file. If it rejects with MODULES_FILE_INVALID, nothing was registered. */
export type Install = () => Promise<void>;

/** Must be called before the feed is started. */
export function createInstall(feed: Feed, context: OperationContext, source: SourceFile): Install {
  // It has an entry while a first start fills the store. If that crashes, the next start completes it.
  const filling = new Collection<Record<string, never>>(feed, "module-setup/");

  return async () => {
    if (context.collection.size > 0 && filling.size === 0) return;
    const text = await readSourceFile(source, fileInvalid);
    if (text === undefined) return;
    const file = parseModulesFile(text, source.name);
    const modules = await resolveAll(context, file);
    const cause = { action: "InstallModules", reason: `first start, from ${source.name}` };
    await filling.change("first-start", cause, () => ({}));
    for (const { name, registration, load, code } of modules) {
      await context.collection.change(name, cause, (current) =>
        current === undefined ? { ...newRecord(registration, code), desired: load ? "ACTIVE" : "UNLOADED" } : undefined,
      );
    }
    await filling.delete("first-start", cause);
    context.log("modules", "info", "modules registered", { count: file.modules.length, from: source.name });
  };
}

/** Returns the modules of a file, with their code. Refuses what `RegisterModule` would refuse if it got them one by one. */
async function resolveAll(
  context: OperationContext,
  { modules, invalid }: ModulesFile,
): Promise<readonly (FileModule & { readonly code: ResolvedModule })[]> {
  const registrations = new Map<string, Registration>();
  const found: (FileModule & { readonly code: ResolvedModule })[] = [];
  for (const module of modules) {
    const { name, registration } = module;
    try {
      found.push({ ...module, code: await verified(context, registration) });
      checkCycle(name, registration, registrations);
    } catch (error) {
      const [, key, expected] = MISTAKES.find(([reason]) => isReason(error, reason)) ?? [];
      if (key === undefined || expected === undefined) throw error;
      throw invalid([name, key], messageOf(error), expected, error);
    }
    registrations.set(name, registration);
  }
  return found;
}

/** The key of the file that is wrong, and the expected value, by the reason of the error. */
const MISTAKES: readonly (readonly [Reason, string, string])[] = [
  ["MODULE_PATH_OUTSIDE_ROOT", "module_path", "a path below the modules root"],
  ["MODULE_FILE_NOT_FOUND", "module_path", "the path of a file"],
  ["MODULE_INVALID", "module_path", "the path of a module"],
  ["MODULE_ASSET_INVALID", "assets", "paths of files and directories below the modules root"],
  ["MODULE_DIGEST_MISMATCH", "sha256", "the digest of the file"],
  ["MODULE_DEPENDENCY_CYCLE", "dependencies", "dependencies without a cycle"],
];
