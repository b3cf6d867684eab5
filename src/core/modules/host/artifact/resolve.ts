import { realpath } from "node:fs/promises";
import { isAbsolute, join, resolve } from "node:path";
import { HeliosError } from "../../../errors/error.ts";
import { isFault, MachineFault, machineFault, toHeliosError } from "../disk/fault.ts";
import { isWithin } from "../disk/paths.ts";
import { CodeProblem } from "../disk/problem.ts";
import type { ResolvedModule } from "../types/host.ts";
import type { BuildRequest } from "./build.ts";
import { type BuiltCode, builder } from "./builder.ts";
import type { ArtifactStore } from "./store.ts";

const EXTENSIONS = [".ts", ".mts", ".js", ".mjs", ".cts", ".cjs"];

/** Finds a module's file and stores its artifact; see `ModuleHost.resolve`. */
export async function resolveModule(
  root: string,
  store: ArtifactStore,
  modulePath: string,
  assets: readonly string[],
): Promise<ResolvedModule> {
  const realRoot = await realRootOf(root);
  const entry = await find(realRoot, modulePath);
  const staged = await store.stage(realRoot, assets).catch((error: unknown) => {
    if (error instanceof MachineFault) throw toHeliosError(error);
    if (!(error instanceof CodeProblem)) throw error;
    throw HeliosError.of("MODULE_ASSET_INVALID", { module_path: modulePath, problem: error.message });
  });
  const { sha256, artifact, bytes } = await build({ root: realRoot, entry, assets: staged }, modulePath);
  await store.put(artifact, bytes);
  return { modulePath, sha256, artifact, ...(assets.length === 0 ? {} : { assets }) };
}

/** Returns the absolute path of the root. Links are followed if the root exists. */
export function realRootOf(root: string): Promise<string> {
  return realpath(root).catch(() => resolve(root));
}

async function find(root: string, modulePath: string): Promise<string> {
  const outside = (): HeliosError => HeliosError.of("MODULE_PATH_OUTSIDE_ROOT", { module_path: modulePath });
  const climbs = modulePath.split("/").includes("..");
  if (climbs || /[\0\\]/.test(modulePath) || isAbsolute(modulePath)) throw outside();
  const tried = candidates(modulePath);
  for (const candidate of tried) {
    const path = resolve(root, candidate);
    if (!isWithin(root, path)) throw outside();
    const file = await realPathOf(path);
    if (file === undefined) continue;
    if (file === root || !isWithin(root, file)) throw outside();
    return file;
  }
  throw HeliosError.of("MODULE_FILE_NOT_FOUND", { module_path: modulePath, tried: tried.join(", ") });
}

/** Returns undefined if there is no such file. Rejects with MACHINE_FAULT. */
function realPathOf(path: string): Promise<string | undefined> {
  return realpath(path).catch((error: unknown) => {
    if (isFault(error)) throw toHeliosError(machineFault(`find ${path}`, error));
    return undefined;
  });
}

/** Returns the paths below the root at which a module's file may be, in the order in which they are tried. */
export function candidates(modulePath: string): string[] {
  const whole = EXTENSIONS.some((extension) => modulePath.endsWith(extension)) ? [modulePath] : [];
  const stems = [modulePath];
  if (!modulePath.includes("/") && modulePath.includes(".")) stems.push(join(...modulePath.split(".")));
  return [...whole, ...stems.flatMap((stem) => EXTENSIONS.map((extension) => stem + extension))];
}

async function build(request: BuildRequest, modulePath: string): Promise<BuiltCode> {
  try {
    return await builder.build(request);
  } catch (error) {
    if (error instanceof MachineFault) throw toHeliosError(error);
    if (!(error instanceof CodeProblem)) throw error;
    throw HeliosError.of("MODULE_INVALID", { module_path: modulePath, problem: error.message });
  }
}
