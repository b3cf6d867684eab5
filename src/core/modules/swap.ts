import { type By, causeOf } from "../change.ts";
import { HeliosError } from "../errors.ts";
import { refuse } from "../violation.ts";
import { isRunning } from "./lifecycle.ts";
import type { Reload } from "./load.ts";
import { type ReplaceTools, replaceRunning, type SwapResult } from "./replace.ts";
import { checkEtag, conflict, getModule, type Room } from "./room.ts";
import { digestViolation, pathViolation, suiteViolation, versionViolation } from "./validate.ts";

export interface SwapOptions {
  /** Absent or empty: the same file, read again. */
  readonly newVersionPath?: string | undefined;
  /** Absent or empty: the class's `static version`, else the version that serves now. */
  readonly version?: string | undefined;
  /** The digest that the new file must have, in hex. Absent or empty: any; of the same file, the registered one. */
  readonly sha256?: string | undefined;
  /** Absent or empty: the module's own suite, if it has one. */
  readonly testSuite?: string | undefined;
}

/** Replaces the version that serves; the new path and version are registered by that. */
export async function swapModule(
  room: Room,
  tools: ReplaceTools,
  name: string,
  options: SwapOptions,
  by: By | undefined,
): Promise<SwapResult> {
  const { newVersionPath = "", version = "", sha256 = "", testSuite = "" } = options;
  refuse(
    (newVersionPath === "" ? undefined : pathViolation(["new_version_path"], newVersionPath)) ??
      versionViolation(["version"], version) ??
      digestViolation(["sha256"], sha256) ??
      suiteViolation(["test_suite"], testSuite),
  );
  getModule(room, name);
  return room.operations.alone(name, "SwapModule", async () => {
    await checkEtag(room, name, by?.etag);
    const module = getModule(room, name);
    const { registration, lifecycle } = module.record;
    if (lifecycle.state !== "ACTIVE") throw conflict(module, "SwapModule", "ACTIVE");
    const modulePath = newVersionPath || registration.modulePath;
    const pin = sha256 || (modulePath === registration.modulePath ? registration.sha256 : "");
    return replaceRunning(room, tools, module, {
      cause: causeOf("SwapModule", by),
      registration: (running) => ({ ...registration, modulePath, sha256: pin, version: running }),
      version: (ofClass) => version || (ofClass ?? lifecycle.running.version),
      suite: testSuite || registration.testSuite,
      activate: true,
    });
  });
}

/** A forced reload is a swap with the registration as it is; that it failed is an error, MODULE_LOAD_FAILED. */
export function reloading(room: Room, tools: ReplaceTools): Reload {
  return async (module, activate, by) => {
    const { registration, lifecycle } = module.record;
    const running = isRunning(lifecycle) ? lifecycle.running.version : "";
    const result = await replaceRunning(room, tools, module, {
      cause: causeOf("LoadModule", by),
      registration: () => registration,
      version: (ofClass) => registration.version || (ofClass ?? running),
      suite: registration.testSuite,
      activate,
    });
    if (result.swapped) return result.module;
    const { failedStep = "", failure = "" } = result;
    throw HeliosError.of("MODULE_LOAD_FAILED", { name: module.name, step: failedStep, error: failure });
  };
}
