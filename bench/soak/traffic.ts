import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { create, fromJson, toBinary } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { createHeliosClient, invoke } from "../../clients/typescript/src/index.ts";
import { WatchFlagsRequestSchema } from "../../gen/helios/v1/flag_service_pb.ts";
import { InvokeModuleRequestSchema } from "../../gen/helios/v1/module_service_pb.ts";
import type { Errors } from "./errors.ts";
import { every, type Repeated } from "./every.ts";

const EDITS_PER_SECOND = 50;
const CALLS_PER_SECOND = 10;
const WATCHES_PER_SECOND = 8;
const VANISH_EVERY_MS = 500;
/** Longest life of a watch. */
const WATCH_MS = 3000;
const FLAGS = 20;

/** The clients' activities. */
export interface Traffic {
  /** Number of activities started, by kind. */
  counts(): Readonly<Record<"edits" | "calls" | "watches" | "vanished", number>>;
  /** The orders of clients that got an answer. Each must be placed exactly once. */
  readonly answered: ReadonlySet<string>;
  stop(): Promise<void>;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export function startTraffic(baseUrl: string, feeds: readonly string[], errors: Errors): Traffic {
  const client = createHeliosClient({ baseUrl });
  const answered = new Set<string>();

  /** Repeats an order under its key until it gets an answer. Only its own deadlines may fail it. */
  const insist = async (id: string, ms: number, deadlines: readonly number[]): Promise<void> => {
    const input = { id, ms, by: "client" };
    for (const timeoutMs of [...deadlines, undefined]) {
      const options = { idempotencyKey: id, ...(timeoutMs !== undefined && { timeoutMs }) };
      try {
        await invoke(client, "exchange", "place_slowly", input, options);
        answered.add(id);
        return;
      } catch (error) {
        const late = ["DEADLINE_EXCEEDED", "deadline_exceeded"];
        errors.count("order with a key", error, timeoutMs === undefined ? [] : late);
      }
    }
  };

  const call = async (count: number): Promise<void> => {
    const feed = feeds[count % feeds.length] ?? "";
    const kinds = [
      () => insist(`patient-${count}`, 5, []),
      () => insist(`impatient-${count}`, 60, [30, 20]),
      () => invoke(client, "exchange", "quote"),
      () => invoke(client, feed, "status"),
    ];
    await kinds[count % kinds.length]?.().catch((error: unknown) => errors.count("call", error));
  };

  const edit = async (count: number): Promise<void> => {
    const request = { name: `soak_${count % FLAGS}`, percentage: count % 101, allowMissing: true, actor: "soak" };
    await client.flags.setPercentage(request).catch((error: unknown) => errors.count("edit", error));
  };

  /** Begins a watch, reads it for a while, and ends it or cuts its connection. */
  const watch = async (count: number): Promise<void> => {
    const isCut = count % 4 === 3;
    const own = isCut ? createHeliosClient({ baseUrl }) : client;
    const leave = new AbortController();
    const options = { signal: leave.signal };
    const streams = [
      () => own.flags.watchFlags({}, options),
      () => own.modules.watchModules({}, options),
      () => own.breakers.watchBreakers({}, options),
      () => own.status.watchEvents({}, options),
    ];
    const timer = setTimeout(
      () => {
        if (isCut) own.close();
        else leave.abort();
      },
      WATCH_MS * ((count * 7919) % 1000) * 0.001,
    );
    try {
      for await (const _ of streams[(count >> 2) % streams.length]?.() ?? []);
      throw new Error("the watch ended by itself");
    } catch (error) {
      errors.count("watch", error, isCut ? ["CALL_CANCELLED", "canceled", "unavailable", "closed"] : ["canceled"]);
    } finally {
      clearTimeout(timer);
      if (isCut) own.close();
    }
  };

  /** Disappears in the middle of a watch and an order. Another client then repeats the order. */
  const vanish = async (count: number): Promise<void> => {
    const id = `vanished-${count}`;
    const ms = 100;
    const lifeMs = 20 + ((count * 7919) % 200);
    const { hostname, port } = new URL(baseUrl);
    const socket = connect(Number(port), hostname).on("error", () => {});
    if (count % 2 === 0) overHttp2(baseUrl, socket, id, ms);
    else overHttp1(socket, hostname, id, ms);
    await sleep(lifeMs);
    socket.destroy();
    await insist(id, ms, []);
  };

  const repeat = (what: string, ms: number, work: (count: number) => Promise<void>): Repeated =>
    every(ms, work, () => errors.count(what, "the service does not keep up"));
  const all = {
    edits: repeat("edit", 1000 / EDITS_PER_SECOND, edit),
    calls: repeat("call", 1000 / CALLS_PER_SECOND, call),
    watches: repeat("watch", 1000 / WATCHES_PER_SECOND, watch),
    vanished: repeat("vanish", VANISH_EVERY_MS, vanish),
  };
  return {
    answered,
    counts: () => ({
      edits: all.edits.begun,
      calls: all.calls.begun,
      watches: all.watches.begun,
      vanished: all.vanished.begun,
    }),
    async stop() {
      await Promise.all(Object.values(all).map((one) => one.stop()));
      client.close();
    },
  };
}

function overHttp2(baseUrl: string, socket: Socket, id: string, ms: number): void {
  const session = connectHttp2(baseUrl, { createConnection: () => socket }).on("error", () => {});
  const input = { case: "json" as const, value: fromJson(ValueSchema, { id, ms, by: "client" }) };
  const order = { name: "exchange", method: "place_slowly", idempotencyKey: id, input };
  for (const [path, message] of [
    ["FlagService/WatchFlags", toBinary(WatchFlagsRequestSchema, create(WatchFlagsRequestSchema))],
    ["ModuleService/InvokeModule", toBinary(InvokeModuleRequestSchema, create(InvokeModuleRequestSchema, order))],
  ] as const) {
    const headers = {
      ":method": "POST",
      ":path": `/helios.v1.${path}`,
      "content-type": "application/grpc",
      te: "trailers",
    };
    const stream = session.request(headers).on("error", () => {});
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    stream.resume().end(Buffer.concat([head, message]));
  }
}

function overHttp1(socket: Socket, host: string, id: string, ms: number): void {
  const body = JSON.stringify({ json: { id, ms, by: "client" }, idempotencyKey: id });
  const lines = [
    "POST /api/modularity/modules/exchange/invoke/place_slowly HTTP/1.1",
    `Host: ${host}`,
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  socket.resume().write(`${lines.join("\r\n")}\r\n\r\n${body}`);
}
