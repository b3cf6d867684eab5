import { createHash } from "node:crypto";
import { readFile, realpath, stat } from "node:fs/promises";
import { isAbsolute, join, resolve } from "node:path";
import { HeliosError } from "../../errors.ts";
import { isWithin } from "./bootstrap/paths.ts";
import type { ResolvedModule } from "./host.ts";

const EXTENSIONS = [".ts", ".mts", ".js", ".mjs"];
const MAX_FILE_BYTES = 16 * 1024 * 1024;

/** Finds a module's file; see `ModuleHost.resolve`. */
export async function resolveModule(root: string, modulePath: string): Promise<ResolvedModule> {
  const outside = (): HeliosError => HeliosError.of("MODULE_PATH_OUTSIDE_ROOT", { module_path: modulePath });
  const climbs = modulePath.split("/").includes("..");
  if (climbs || /[\0\\]/.test(modulePath) || isAbsolute(modulePath)) throw outside();
  const realRoot = await realpath(root).catch(() => resolve(root));
  const tried = candidates(modulePath);
  for (const candidate of tried) {
    const path = resolve(realRoot, candidate);
    if (!isWithin(realRoot, path)) throw outside();
    const file = await realpath(path).catch(() => undefined);
    if (file === undefined) continue;
    if (file === realRoot || !isWithin(realRoot, file)) throw outside();
    const sha256 = await digest(modulePath, file);
    return { modulePath, file, root: realRoot, sha256, artifact: sha256 };
  }
  throw HeliosError.of("MODULE_FILE_NOT_FOUND", { module_path: modulePath, tried: tried.join(", ") });
}

function candidates(modulePath: string): string[] {
  const whole = EXTENSIONS.some((extension) => modulePath.endsWith(extension)) ? [modulePath] : [];
  const stems = [modulePath];
  if (!modulePath.includes("/") && modulePath.includes(".")) stems.push(join(...modulePath.split(".")));
  return [...whole, ...stems.flatMap((stem) => EXTENSIONS.map((extension) => stem + extension))];
}

async function digest(modulePath: string, file: string): Promise<string> {
  const invalid = (problem: string): HeliosError =>
    HeliosError.of("MODULE_INVALID", { module_path: modulePath, problem });
  const found = await stat(file);
  if (!found.isFile()) throw invalid("it is not a file");
  if (found.size > MAX_FILE_BYTES) throw invalid(`it has ${found.size} bytes, more than ${MAX_FILE_BYTES}`);
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw invalid(`it cannot be read (${error.code})`);
  });
  return createHash("sha256").update(bytes).digest("hex");
}
