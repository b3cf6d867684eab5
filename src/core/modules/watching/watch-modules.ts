import type { Timer } from "../../../kernel/clock.ts";
import { Serial } from "../../async/serial.ts";
import { messageOf } from "../../errors/error.ts";
import type { ResolvedModule } from "../host/types/host.ts";
import { dependenciesOf, type OperationContext } from "../operations/context.ts";
import { loadOrder } from "../record/dependencies.ts";
import { type FileActions, FileModule, isFollowed } from "./file-module.ts";

/** Modules whose changed files are handled at the same time; the others wait. @limit modules */
const MOST_AT_ONCE = 4;
/** Time until another attempt to follow the files of a module that could not be followed. @limit ms */
const RETRY_MS = 1000;

interface Followed {
  readonly module: FileModule;
  /** The artifacts and paths of the code whose files are followed. */
  artifacts: string;
  /** Why the files could not be followed. */
  problem: string | undefined;
  retry: Timer | undefined;
  /** Whether its files must be compared with the version that runs. */
  isDue: boolean;
  /** Whether a change of its files is being handled. */
  isAtWork: boolean;
  /** Whether its files have been compared with the version that runs. */
  isKnown: boolean;
  /** Whether it waits for another operation on the module to end. */
  isWaiting: boolean;
}

/** Follows the files of modules. */
export interface ModuleWatch {
  /** Stops following, and resolves when no change is being handled any more. */
  close(): Promise<void>;
}

/**
 * Follows the files of the modules that run or are to run. When they change, swaps or starts each module by itself, after the
 * modules that it depends on. Logs the result.
 */
export function watchModules(context: OperationContext, actions: FileActions): ModuleWatch {
  const { host, log, collection, operations, clock } = context;
  const followed = new Map<string, Followed>();
  const working = new Set<Promise<void>>();
  /** Runs the calls of `refresh` one at a time, so that the last one decides which files are followed. */
  const turns = new Serial();
  let closed = false;

  const logNotFollowed = (name: string, error: unknown): void =>
    log("modules", "error", `the files of module ${name} could not be followed`, { error: messageOf(error) });

  /** Logs each problem once, and tries again later. */
  const followLater = (name: string, error: unknown): void => {
    const one = followed.get(name);
    if (one?.problem !== messageOf(error)) logNotFollowed(name, error);
    if (one === undefined || closed) return;
    one.problem = messageOf(error);
    one.retry?.cancel();
    one.retry = clock.setTimer(RETRY_MS, () => refreshLater(name));
  };

  const files = host.watchFiles({
    changed(changes) {
      for (const [name, paths] of changes) {
        followed.get(name)?.module.changed(paths);
        due(name);
      }
      pump();
    },
    unwatched: (problem) =>
      log("modules", "warn", "the operating system refuses to watch more directories; files are polled instead", {
        problem,
      }),
  });

  const due = (name: string): void => {
    const one = followed.get(name);
    if (one === undefined || closed) return;
    one.isDue = true;
  };
  const dueNow = (name: string): void => {
    due(name);
    pump();
  };

  const pump = (): void => {
    if (closed) return;
    const dependencies = dependenciesOf(context);
    const isUnsettled = (name: string): boolean => {
      const one = followed.get(name);
      return one !== undefined && (one.isDue || one.isAtWork) && !one.isWaiting;
    };
    for (const name of loadOrder([...followed.keys()], dependencies)) {
      const one = followed.get(name);
      if (one === undefined || !one.isDue || one.isAtWork || working.size >= MOST_AT_ONCE) continue;
      if ((dependencies.get(name) ?? []).some((dependency) => dependency !== name && isUnsettled(dependency))) continue;
      if (operations.running(name) !== undefined) {
        wait(name, one);
        continue;
      }
      one.isDue = false;
      one.isAtWork = true;
      const work = act(name, one).finally(() => {
        one.isAtWork = false;
        working.delete(work);
        pump();
      });
      working.add(work);
    }
  };

  /** Waits for another operation on the module, without delaying other modules: the operation may take an hour. */
  const wait = (name: string, one: Followed): void => {
    if (one.isWaiting) return;
    one.isWaiting = true;
    void operations.idle(name).then(() => {
      one.isWaiting = false;
      pump();
    });
  };

  const act = async (name: string, one: Followed): Promise<void> => {
    try {
      await one.module.act();
    } catch (error) {
      logNotFollowed(name, error);
    }
    await inTurn(name);
    if (!one.isKnown) log("modules", "debug", `the files of module ${name} are watched`);
    one.isKnown = true;
  };

  /** Follows the files that the module's code consists of now. */
  const refresh = async (name: string): Promise<void> => {
    const record = collection.get(name)?.record;
    const one = followed.get(name);
    if (record === undefined || !isFollowed(record)) {
      if (one === undefined) return;
      followed.delete(name);
      end(one);
      await files.follow(name, []);
      return;
    }
    const kept = one ?? begin(name);
    const codes = [record.code, kept.module.found].filter((code) => code !== undefined);
    const artifacts = codes.map(({ artifact, modulePath }) => `${artifact} ${modulePath}`).join();
    if (artifacts === kept.artifacts) return;
    const paths = await Promise.all(codes.map((code: ResolvedModule) => host.filesOf(code)));
    const hasNew = await files.follow(name, [...new Set(paths.flat())]);
    kept.artifacts = artifacts;
    kept.problem = undefined;
    kept.retry?.cancel();
    // New files may have changed before they were followed.
    if (hasNew) dueNow(name);
  };

  const begin = (name: string): Followed => {
    const module = new FileModule(name, context, actions, () => dueNow(name));
    const state = { isDue: false, isAtWork: false, isKnown: false, isWaiting: false };
    const one: Followed = { module, artifacts: "", problem: undefined, retry: undefined, ...state };
    followed.set(name, one);
    return one;
  };
  const end = ({ module, retry }: Followed): void => {
    module.close();
    retry?.cancel();
  };

  const inTurn = (name: string): Promise<void> =>
    turns.run(async () => {
      try {
        if (!closed) await refresh(name);
      } catch (error) {
        followLater(name, error);
      }
    });
  const refreshLater = (name: string): void => {
    // A module that is being handled is refreshed at the end of `act`.
    if (!closed && followed.get(name)?.isAtWork !== true) void inTurn(name);
  };
  collection.onChange(({ name }) => refreshLater(name));
  for (const { name } of collection.list()) refreshLater(name);

  return {
    async close() {
      closed = true;
      for (const one of followed.values()) end(one);
      await files.close();
      await Promise.all([...working, turns.idle()]);
    },
  };
}
