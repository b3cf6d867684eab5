import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { isWithin } from "./paths.ts";

/** The entry's bytes are not those that were hashed. */
export class DigestMismatch extends Error {
  readonly actual: string;
  constructor(actual: string) {
    super(`the file has sha256 ${actual}`);
    this.actual = actual;
  }
}

/**
 * From now on refuses imports of files that are not below one of `directories`, links followed, and of an entry whose
 * bytes are not those with the digest.
 */
export function confineImports(directories: readonly string[], entry: string, sha256: string): void {
  const entryUrl = pathToFileURL(entry).href;
  const roots = directories.map(realPath);
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const resolved = nextResolve(specifier, context);
      if (resolved.url.startsWith("node:")) return resolved;
      const file = resolved.url.startsWith("file:") ? realPath(fileURLToPath(resolved.url)) : undefined;
      if (file !== undefined && roots.some((root) => isWithin(root, file))) return resolved;
      throw new Error(`imports ${specifier}, which is not below the modules root`);
    },
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      if (url === entryUrl && loaded.source !== undefined && loaded.source !== null) {
        const bytes = typeof loaded.source === "string" ? loaded.source : new Uint8Array(loaded.source as ArrayBuffer);
        const actual = createHash("sha256").update(bytes).digest("hex");
        if (actual !== sha256) throw new DigestMismatch(actual);
      }
      return loaded;
    },
  });
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
