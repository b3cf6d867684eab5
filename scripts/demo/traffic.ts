import { errorInfo, type HeliosClient, invoke } from "../../clients/typescript/src/index.ts";

const PAUSE_MS = 10;

/** Calls in the background. */
export interface Traffic {
  readonly calls: number;
  /** Resolves when this many more calls have been answered. */
  more(count: number): Promise<void>;
  stop(): Promise<{ calls: number; failed: readonly string[]; versions: string }>;
}

/** Calls `predict` of the module without end, from `callers` callers at once. */
export function startTraffic(client: HeliosClient, name: string, callers: number): Traffic {
  const failed: string[] = [];
  const byVersion = new Map<string, number>();
  let calls = 0;
  let stopped = false;
  const caller = async (): Promise<void> => {
    while (!stopped) {
      const prices = Array.from({ length: 30 }, (_, index) => 100 + Math.sin(calls + index) * 5);
      try {
        const { version } = await invoke(client, name, "predict", { prices });
        byVersion.set(version, (byVersion.get(version) ?? 0) + 1);
      } catch (error) {
        failed.push(`${errorInfo(error)?.reason ?? ""} ${String(error)}`);
      }
      calls += 1;
      // Limits the load to a few hundred calls per second, so that the rest of the demo stays visible.
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  };
  const running = Array.from({ length: callers }, caller);
  return {
    get calls() {
      return calls;
    },
    async more(count) {
      const goal = calls + count;
      while (calls < goal) await new Promise((resolve) => setTimeout(resolve, 5));
    },
    async stop() {
      stopped = true;
      await Promise.all(running);
      const versions = [...byVersion].map(([version, count]) => `${version} (${count})`).join(", ");
      return { calls, failed, versions };
    },
  };
}
