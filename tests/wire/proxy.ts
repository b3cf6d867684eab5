import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A TCP proxy that disturbs connections as networks do. */
export interface Network {
  readonly baseUrl: string;
  /** The number of connections so far. */
  readonly connections: number;
  /** The number of bytes from the server after which each next connection is cut. Later connections have no limit. */
  cutAfter(bytes: readonly number[]): void;
  /** Cuts every connection, and refuses new ones until `admit`. */
  refuse(): void;
  admit(): void;
  /** Lets nothing pass any more on the open connections, without closing them. */
  silence(): void;
  close(): Promise<void>;
}

export async function startProxy(port: () => number): Promise<Network> {
  const pairs = new Set<{ client: Socket; server: Socket; silent: boolean }>();
  const cuts: number[] = [];
  let connections = 0;
  let refusing = false;
  const listener = createServer((client) => {
    client.on("error", () => {});
    if (refusing) return client.destroy();
    connections += 1;
    const server = connect(port(), "127.0.0.1");
    const pair = { client, server, silent: false };
    pairs.add(pair);
    let left = cuts.shift() ?? Number.POSITIVE_INFINITY;
    const cut = (): void => {
      if (pair.silent) return;
      pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    const pass = (from: Socket, to: Socket, limited: boolean): void => {
      from.on("data", (chunk: Buffer) => {
        if (pair.silent) return;
        const part = limited && chunk.length > left ? chunk.subarray(0, left) : chunk;
        if (limited) left -= part.length;
        if (!to.write(part)) {
          from.pause();
          to.once("drain", () => from.resume());
        }
        if (left <= 0) to.end(() => cut());
      });
      from.on("close", cut);
    };
    server.on("error", () => {});
    pass(client, server, false);
    pass(server, client, true);
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    baseUrl: `http://127.0.0.1:${address.port}`,
    get connections() {
      return connections;
    },
    cutAfter: (bytes) => void cuts.push(...bytes),
    refuse() {
      refusing = true;
      for (const { client, server } of [...pairs]) {
        client.destroy();
        server.destroy();
      }
    },
    admit() {
      refusing = false;
    },
    silence() {
      for (const pair of pairs) pair.silent = true;
    },
    async close() {
      const closed = once(listener, "close");
      listener.close();
      for (const { client, server } of pairs) {
        client.destroy();
        server.destroy();
      }
      await closed;
    },
  };
}
