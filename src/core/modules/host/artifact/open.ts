import { realpath } from "node:fs/promises";
import { faultIn, HeliosError, messageOf } from "../../../errors/error.ts";
import { isFault, machineFault, toHeliosError } from "../disk/fault.ts";
import { isWithin } from "../disk/paths.ts";
import { placeOf } from "../disk/problem.ts";
import type { InstanceSpec } from "../types/host.ts";
import { type Artifact, decodeArtifact, type OutsideImport } from "./artifact.ts";
import type { ArtifactStore } from "./store.ts";

/** The code and assets that an instance is to run. */
export interface OpenedArtifact {
  readonly code: Artifact;
  /** Directory of its assets, each at its path: absolute, with links followed. Undefined: it has no assets. */
  readonly assetsDir: string | undefined;
}

/** Reads the code that an instance is to run. Rejects with MODULE_LOAD_FAILED or MACHINE_FAULT; see `ModuleHost.start`. */
export async function openArtifact(
  store: ArtifactStore,
  { name, module, grants }: InstanceSpec,
): Promise<OpenedArtifact> {
  const failed = (error: string): HeliosError => HeliosError.of("MODULE_LOAD_FAILED", { name, step: "import", error });
  let code: Artifact;
  let assetsDir: string | undefined;
  try {
    code = decodeArtifact(await store.get(module.artifact));
    const { assets = [] } = code;
    if (assets.length > 0) assetsDir = await realpath(await store.place(module.artifact, assets));
  } catch (error) {
    if (isFault(error)) throw toHeliosError(machineFault(`read the code of module ${name}`, error));
    if (faultIn(error) !== undefined) throw error;
    throw failed(`${messageOf(error)}; load or swap ${module.modulePath} to create it again`);
  }
  const readable = await Promise.all(grants.fsRead.map((path) => realpath(path).catch(() => path)));
  const refused = code.outside.find(({ file }) => !readable.some((path) => isWithin(path, file)));
  if (refused !== undefined) throw failed(outsideProblem(refused));
  return { code, assetsDir };
}

function outsideProblem({ from, line, specifier, file }: OutsideImport): string {
  const place = placeOf(from, line);
  return `${place} imports ${specifier}, which is ${file}: it is outside of the modules root, and no fs_read covers it`;
}
