import { onAbort } from "../../../kernel/async/signal.ts";
import type { Clock } from "../../../kernel/clock.ts";
import { HeliosError } from "../../errors/error.ts";
import { filesOf, placeIn } from "./artifact/files-of.ts";
import { openArtifact } from "./artifact/open.ts";
import { realRootOf, resolveModule } from "./artifact/resolve.ts";
import { directoryShelf, memoryShelf } from "./artifact/shelf.ts";
import { createArtifactStore } from "./artifact/store.ts";
import { watchFiles } from "./disk/watch.ts";
import { openProcess } from "./instance/process.ts";
import { type Open, startInstance } from "./instance/start.ts";
import { openThread, type ThreadDeps } from "./instance/thread.ts";
import { createReaper, type Reaper } from "./reaper/index.ts";
import type { ModuleHost } from "./types/host.ts";
import type { Channel } from "./wire/channel.ts";

interface ModuleHostDeps {
  /** The modules root, which is a directory. */
  readonly root: string;
  readonly clock: Clock;
  /**
   * Directory for artifacts. It belongs to the host, which creates it if it is missing. Default: artifacts are in memory.
   */
  readonly artifactsDir?: string | undefined;
  /** Ends processes that modules leave behind. Default: a reaper that belongs to the host and is closed with it. */
  readonly reaper?: Reaper;
}

/** Creates a host that finds module files below `root` and runs modules in processes and threads. */
export function createModuleHost({ root, clock, artifactsDir, reaper: given }: ModuleHostDeps): ModuleHost {
  const artifacts = createArtifactStore(
    clock,
    artifactsDir === undefined ? memoryShelf() : directoryShelf(artifactsDir),
  );
  const reaper = given ?? createReaper(clock);
  let strandedThreads = 0;
  const threads: ThreadDeps = {
    clock,
    reaper,
    stranded: (change) => {
      strandedThreads += change;
    },
  };
  const living = new Map<Channel, Promise<void>>();
  let closed = false;

  const start: ModuleHost["start"] = async (spec, services, signal) => {
    const { code, assetsDir } = await openArtifact(artifacts, spec);
    const launch = { ...spec, code, assetsDir, root: await realRootOf(root) };
    if (closed) throw HeliosError.of("SERVER_DRAINING", {});
    signal?.throwIfAborted();
    const open: Open =
      spec.isolation === "THREAD" ? (...of) => openThread(...of, threads) : (...of) => openProcess(...of, reaper);
    let giveUp = (): void => {};
    const started = startInstance(launch, services, clock, open, (channel, ended) => {
      living.set(channel, ended);
      void ended.then(() => living.delete(channel));
      giveUp = () => channel.kill();
    });
    return started.finally(onAbort(signal, giveUp));
  };

  return {
    resolve: (modulePath, assets = []) => resolveModule(root, artifacts, modulePath, assets),
    filesOf: (module) => filesOf(root, artifacts, module),
    placeIn: (stack) => placeIn(root, stack),
    watchFiles: (options) => watchFiles({ ...options, clock }),
    async start(spec, services, signal) {
      const release = artifacts.hold(spec.module.artifact);
      try {
        const instance = await start(spec, services, signal);
        void instance.ended.then(release);
        return instance;
      } catch (error) {
        release();
        throw error;
      }
    },
    hold: ({ artifact }) => artifacts.hold(artifact),
    keepArtifacts: (digests) => artifacts.keep(digests),
    get strandedThreads() {
      return strandedThreads;
    },
    async close() {
      closed = true;
      for (const channel of living.keys()) channel.kill();
      await Promise.all(living.values());
      if (given === undefined) await reaper.close();
      await artifacts.close();
    },
  };
}
