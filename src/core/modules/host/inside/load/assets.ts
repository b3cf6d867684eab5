import { join } from "node:path";
import type { ModuleContext } from "../../../api.ts";
import type { StartMessage } from "../../wire/protocol.ts";

/** Declared assets that the error for an undeclared path names; the others are omitted. @limit names */
const MAX_TOLD_ASSETS = 10;

/** `ctx.assets`. */
export function assetsOf(assets: StartMessage["assets"]): ModuleContext["assets"] {
  const { directory = "", paths = [] } = assets ?? {};
  // Each with the directories in which it lies.
  const known = new Set(
    paths.flatMap((path) => path.split("/").map((_, index, parts) => parts.slice(0, index + 1).join("/"))),
  );
  return Object.freeze({
    path(path: string): string {
      if (known.has(path)) return join(directory, path);
      const more = paths.length > MAX_TOLD_ASSETS ? ", …" : "";
      const told = paths.length === 0 ? "it has none" : `${paths.slice(0, MAX_TOLD_ASSETS).join(", ")}${more}`;
      throw new RangeError(`${JSON.stringify(path)} is none of the module's assets: ${told}`);
    },
  });
}
