import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** Resources held at one moment. */
export interface Sample {
  /** Seconds since the traffic began. */
  readonly time: number;
  readonly values: Readonly<Record<Measure, number>>;
}

export type Measure =
  | "server RSS MB"
  | "server heap MB"
  | "modules RSS MB"
  | "modules heap MB"
  | "server descriptors"
  | "server threads"
  | "processes"
  | "data directory MB";

const MB = 1024 * 1024;

export interface Places {
  readonly pid: number;
  readonly heapReport: string;
  readonly dataDir: string;
  /** Heap size of the modules in bytes, as the service reports it. */
  readonly modulesHeap: number;
}

/** Measures the server, its child processes, and its data directory. */
export function takeSample(time: number, { pid, heapReport, dataDir, modulesHeap }: Places): Sample {
  const children = childrenOf(pid);
  return {
    time,
    values: {
      "server RSS MB": statusOf(pid).rssBytes / MB,
      "server heap MB": heapOf(heapReport) / MB,
      "modules RSS MB": children.reduce((sum, child) => sum + statusOf(child).rssBytes, 0) / MB,
      "modules heap MB": modulesHeap / MB,
      "server descriptors": readdirSync(`/proc/${pid}/fd`).length,
      "server threads": statusOf(pid).threads,
      processes: children.length,
      "data directory MB": bytesBelow(dataDir) / MB,
    },
  };
}

function statusOf(pid: number): { readonly rssBytes: number; readonly threads: number } {
  const text = readOr(`/proc/${pid}/status`, "");
  const number = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);
  return { rssBytes: number("VmRSS") * 1024, threads: number("Threads") };
}

/** Child processes of this process. */
function childrenOf(pid: number): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      const stat = readOr(`/proc/${name}/stat`, "");
      return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1] === String(pid);
    })
    .map(Number);
}

function heapOf(file: string): number {
  // The file may not exist yet, or is being written.
  return Number(readOr(file, "") || Number.NaN);
}

function bytesBelow(directory: string): number {
  const files = readdirSync(directory, { recursive: true, encoding: "utf8" });
  return files.reduce((sum, file) => {
    const stat = statSync(join(directory, file), { throwIfNoEntry: false });
    return sum + (stat?.isFile() ? stat.size : 0);
  }, 0);
}

/** A process that has ended meanwhile has no file. */
function readOr(file: string, otherwise: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return otherwise;
  }
}
