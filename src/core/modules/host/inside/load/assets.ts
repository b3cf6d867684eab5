import { join } from "node:path";
import type { ModuleContext } from "../../../api.ts";
import type { StartMessage } from "../../wire/protocol.ts";

/** Declared assets that the error for an undeclared path names; the others are omitted. @limit names */
const MAX_LISTED_ASSETS = 10;

/** Creates `ctx.assets`. */
export function assetsOf(assets: StartMessage["assets"]): ModuleContext["assets"] {
  const { directory = "", paths = [] } = assets ?? {};
  // Directories that contain assets are known as well.
  const known = new Set(
    paths.flatMap((path) => path.split("/").map((_, index, parts) => parts.slice(0, index + 1).join("/"))),
  );
  return Object.freeze({
    path(path: string): string {
      if (known.has(path)) return join(directory, path);
      const more = paths.length > MAX_LISTED_ASSETS ? ", …" : "";
      const listed =
        paths.length === 0
          ? "the module has no assets"
          : `the assets are ${paths.slice(0, MAX_LISTED_ASSETS).join(", ")}${more}`;
      throw new RangeError(`${JSON.stringify(path)} is not an asset of the module; ${listed}`);
    },
  });
}
