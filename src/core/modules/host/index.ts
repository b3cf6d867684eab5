import type { Clock } from "../../clock.ts";
import type { Channel } from "./channel.ts";
import type { ModuleHost } from "./host.ts";
import { openProcess } from "./process.ts";
import { resolveModule } from "./resolve.ts";
import { startInstance } from "./start.ts";
import { openThread } from "./thread.ts";

export interface ModuleHostDeps {
  /** The modules root: a directory. */
  readonly root: string;
  readonly clock: Clock;
}

/** Finds module files below `root` and brings them to life as processes and threads. */
export function createModuleHost({ root, clock }: ModuleHostDeps): ModuleHost {
  const living = new Map<Channel, Promise<void>>();
  return {
    resolve: (modulePath) => resolveModule(root, modulePath),
    start(spec, services) {
      const open = spec.isolation === "THREAD" ? openThread : openProcess;
      return startInstance(spec, services, clock, open, (channel, ended) => {
        living.set(channel, ended);
        void ended.then(() => living.delete(channel));
      });
    },
    async close() {
      for (const channel of living.keys()) channel.kill();
      await Promise.all(living.values());
    },
  };
}
