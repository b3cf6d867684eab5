import type { ModuleHost, ResolvedModule } from "../../host/types/host.ts";

/** Keeps code on the disk that an operation may still start, until the operation has ended. */
export interface Pins {
  /** Does nothing after `release`, because code may be resolved after its operation was given up. */
  hold(code: ResolvedModule): ResolvedModule;
  release(): void;
}

export function createPins(host: Pick<ModuleHost, "hold">): Pins {
  const releases: (() => void)[] = [];
  let released = false;
  return {
    hold(code) {
      if (!released) releases.push(host.hold(code));
      return code;
    },
    release() {
      released = true;
      for (const release of releases.splice(0)) release();
    },
  };
}
