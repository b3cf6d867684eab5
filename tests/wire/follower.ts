import {
  type HeliosClient,
  type WatchEvent,
  type WatchOptions,
  watchBreakers,
  watchFlags,
  watchModules,
} from "../../clients/typescript/src/index.ts";

export const KINDS = ["flags", "breakers", "modules"] as const;
export type Kind = (typeof KINDS)[number];

/** The revision of each resource, by name. */
export type View = Readonly<Record<string, number>>;

interface Resource {
  readonly name: string;
  readonly revision: bigint;
}

/** The state of a client that watches everything. */
export interface Follower {
  view(kind: Kind): View;
  /** The revision up to which everything of all kinds is known. */
  revision(): number;
  snapshots(kind: Kind): number;
  /** The places where a revision went back. There must not be any. */
  readonly wentBack: readonly string[];
  /** Resolves when everything up to that revision is known. */
  reached(revision: number): Promise<void>;
  /** Resolves when all watches have ended. */
  stop(): Promise<void>;
}

export function follow(client: HeliosClient, options: WatchOptions = {}): Follower {
  const stopped = new AbortController();
  const shared = { minBackoffMs: 1, maxBackoffMs: 50, heartbeatIntervalMs: 1000, ...options, signal: stopped.signal };
  const views = { flags: new Map(), breakers: new Map(), modules: new Map() } as Record<Kind, Map<string, number>>;
  const positions: Record<Kind, number> = { flags: -1, breakers: -1, modules: -1 };
  const snapshots: Record<Kind, number> = { flags: 0, breakers: 0, modules: 0 };
  const wentBack: string[] = [];
  const waiting = new Set<{ revision: number; resolve: () => void }>();
  const revision = (): number => Math.min(...Object.values(positions));

  const read = async (kind: Kind, events: AsyncIterable<WatchEvent<Resource>>): Promise<void> => {
    const view = views[kind];
    for await (const event of events) {
      const received = Number(event.revision);
      if (received < positions[kind]) wentBack.push(`${kind}: from ${positions[kind]} to ${received}`);
      if (event.kind === "snapshot") {
        snapshots[kind] += 1;
        const before = new Map(view);
        view.clear();
        for (const item of event.items) set(kind, item, before);
      }
      if (event.kind === "put") set(kind, event.item, view);
      if (event.kind === "deleted") view.delete(event.deleted.name);
      positions[kind] = received;
      for (const waiter of [...waiting]) {
        if (waiter.revision > revision()) continue;
        waiting.delete(waiter);
        waiter.resolve();
      }
    }
  };
  const set = (kind: Kind, item: Resource, before: ReadonlyMap<string, number>): void => {
    const known = before.get(item.name) ?? 0;
    const now = Number(item.revision);
    if (now < known) wentBack.push(`${kind} ${item.name}: from ${known} to ${now}`);
    views[kind].set(item.name, now);
  };
  const reading = Promise.all([
    read("flags", watchFlags(client, shared)),
    read("breakers", watchBreakers(client, shared)),
    read("modules", watchModules(client, shared)),
  ]);
  return {
    view: (kind) => Object.fromEntries([...views[kind]].sort(([a], [b]) => (a < b ? -1 : 1))),
    revision,
    snapshots: (kind) => snapshots[kind],
    wentBack,
    async reached(wanted) {
      if (revision() >= wanted) return;
      const arrived = new Promise<void>((resolve) => waiting.add({ revision: wanted, resolve }));
      await Promise.race([arrived, reading]);
    },
    async stop() {
      stopped.abort();
      await reading;
    },
  };
}

/** The service's own list of its resources, page by page. */
export async function present(client: HeliosClient, kind: Kind): Promise<View> {
  const found: [string, number][] = [];
  let pageToken = "";
  do {
    const page = { pageSize: 1000, pageToken };
    const [items, next] = await list(client, kind, page);
    found.push(...items.map(({ name, revision }): [string, number] => [name, Number(revision)]));
    pageToken = next;
  } while (pageToken !== "");
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function list(
  client: HeliosClient,
  kind: Kind,
  page: { pageSize: number; pageToken: string },
): Promise<[readonly Resource[], string]> {
  if (kind === "flags") {
    const { flags, nextPageToken } = await client.flags.listFlags(page);
    return [flags, nextPageToken];
  }
  if (kind === "breakers") {
    const { breakers, nextPageToken } = await client.breakers.listBreakers(page);
    return [breakers, nextPageToken];
  }
  const { modules, nextPageToken } = await client.modules.listModules(page);
  return [modules, nextPageToken];
}
