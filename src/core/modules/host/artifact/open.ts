import { realpath } from "node:fs/promises";
import { HeliosError, messageOf } from "../../../errors.ts";
import { isWithin } from "../bootstrap/paths.ts";
import type { InstanceSpec } from "../host.ts";
import { type Artifact, decodeArtifact, type OutsideImport } from "./artifact.ts";
import { placeOf } from "./problem.ts";
import type { ArtifactStore } from "./store.ts";

/** Gets the code that an instance is to run. Rejects with MODULE_LOAD_FAILED; see `ModuleHost.start`. */
export async function openArtifact(store: ArtifactStore, { name, module, grants }: InstanceSpec): Promise<Artifact> {
  const failed = (error: string): HeliosError => HeliosError.of("MODULE_LOAD_FAILED", { name, step: "import", error });
  let artifact: Artifact;
  try {
    artifact = decodeArtifact(await store.get(module.artifact));
  } catch (error) {
    throw failed(`${messageOf(error)}; load or swap ${module.modulePath} to make it anew`);
  }
  if (artifact.outside.length === 0) return artifact;
  const readable = await Promise.all(grants.fsRead.map((path) => realpath(path).catch(() => path)));
  const refused = artifact.outside.find(({ file }) => !readable.some((path) => isWithin(path, file)));
  if (refused !== undefined) throw failed(tell(refused));
  return artifact;
}

function tell({ from, line, specifier, file }: OutsideImport): string {
  return `${placeOf(from, line)} imports ${specifier}, which is ${file}: not below the modules root, nor granted by fs_read`;
}
