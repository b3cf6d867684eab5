import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine, type Engine } from "../../src/core/index.ts";
import { createLogging, type Logging } from "../../src/server/logs/logging.ts";
import { type Server, startServer } from "../../src/server/server.ts";
import { times } from "../effort.ts";

const ROOT = fileURLToPath(new URL("../fixtures/modules", import.meta.url));
const SSE = "text/event-stream";
/** Line ends, terminal control sequences, characters that change the direction of text, and lone surrogates. */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}]/u;

let engine: Engine;
let server: Server;
let logging: Logging;
let output = "";
const directory = mkdtempSync(join(tmpdir(), "helios-lines-"));

beforeAll(async () => {
  logging = createLogging({
    level: "debug",
    directory,
    terminal: false,
    output: {
      name: "output",
      async write(bytes) {
        output += Buffer.from(bytes).toString();
        return bytes.length;
      },
    },
  });
  engine = await createEngine({ modulesRoot: ROOT, log: logging.log });
  server = await startServer({ engine, host: "127.0.0.1", port: 0, version: "1", log: logging.server });
  await engine.modules.register("speaking", { modulePath: "speaking" });
  await engine.modules.load("speaking", {});
  await engine.breakers.getOrCreate("b", {});
});
afterAll(async () => {
  await server.drain();
  await engine.close();
  await logging.close();
  rmSync(directory, { recursive: true });
});

/** Any text: of unsafe characters, of parts of Helios's own lines, and of any code units. */
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom("\n", "\r\n", "\r", "\v", "\f", "\u0085", "\u2028", "\u2029", "\0", "\u001b[2J", "\u009b31m"),
      fc.constantFrom("\u202e", "\u2066", "\ufeff", "\ud800", "\udc00", "\n\n", "\ndata: {}\n\n", '\n{"event":{}}\n'),
      fc.constantFrom("event: failure\n", "id: 1\n", '","msg":"', "\\", '"', "(by root: ok)", "💥", "a"),
      fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join("").slice(0, 100));

/** The received text of a REST stream. */
async function listen(path: string, accept?: string) {
  const request = get(`${server.url}/api/modularity/${path}`, { headers: accept === undefined ? {} : { accept } });
  request.on("error", () => {});
  const [response] = (await once(request, "response")) as [IncomingMessage];
  response.on("error", () => {});
  let text = "";
  let look = (): void => {};
  response.setEncoding("utf8").on("data", (chunk) => {
    text += chunk;
    look();
  });
  return {
    text: () => text,
    /** Resolves when the text has arrived. */
    async until(what: string): Promise<void> {
      while (!text.includes(what)) {
        await new Promise<void>((resolve) => {
          look = resolve;
        });
      }
    },
    async leave(): Promise<void> {
      const { promise, resolve } = Promise.withResolvers<void>();
      response.once("close", resolve);
      request.destroy();
      await promise;
    },
  };
}

/** The lines of a text, by every kind of line end. */
function linesOf(text: string): readonly string[] {
  expect(text.replaceAll("\n", "")).not.toMatch(UNSAFE);
  return text.split(/\r\n|[\n\v\f\r\u0085\u2028\u2029]/).slice(0, -1);
}

type Json = Readonly<Record<string, unknown>>;
const parsed = (line: string): Json => JSON.parse(line) as Json;

/** The data of server-sent events, parsed as browsers do. */
function eventsOf(text: string): readonly Json[] {
  const blocks = text.split("\n\n").slice(0, -1);
  return blocks.flatMap((block) => {
    const fields = linesOf(`${block}\n`).map((line) => /^(id|data|): ?(.*)$/s.exec(line)?.slice(1));
    expect(fields.every((field) => field !== undefined)).toBe(true);
    const data = fields.flatMap(([name, value] = []) => (name === "data" ? [value ?? ""] : []));
    expect(data.length).toBeLessThanOrEqual(1);
    return data.map(parsed);
  });
}

interface DeliveredEvent {
  readonly name: string;
  readonly domain: string;
  readonly text: string;
  readonly cause: { readonly action: string; readonly reason: string };
}
const eventsIn = (messages: readonly Json[]): readonly DeliveredEvent[] =>
  messages.flatMap(({ events }) => (events as { events: readonly DeliveredEvent[] } | undefined)?.events ?? []);

describe("a text from a caller", () => {
  it("forges or splits no line of events, of server-sent events, of NDJSON, or of any log", async () => {
    const streams = {
      events: await listen("events"),
      sse: await listen("events", SSE),
      flags: await listen("feature-flags/watch"),
      breakers: await listen("circuit-breakers/watch", SSE),
    };
    const texts: string[] = [];
    await fc.assert(
      fc.asyncProperty(hostile, async (start) => {
        // An equal value changes nothing.
        const text = `${start}${texts.length}`;
        const whole = text.toWellFormed();
        const by = { actor: whole, reason: whole };
        texts.push(text);
        await engine.flags.setPercentage("f", texts.length % 100, { allowMissing: true }, by);
        await engine.breakers.override("b", { kind: "FORCED_OPEN", holdId: whole }, by);
        await engine.modules.invoke("speaking", "say", { json: text });
        await engine.modules.invoke("speaking", "fail", { json: text }).catch(() => {});
        const watch = await listen(`feature-flags/watch?client_id=${encodeURIComponent(whole)}`);
        await watch.leave();
      }),
      // A breaker may have 100 holds.
      { numRuns: times(20, 90) },
    );
    await engine.flags.setPercentage("end", 1, { allowMissing: true });
    await engine.breakers.getOrCreate("end", {});
    for (const { until } of Object.values(streams)) await until('"end"');
    await Promise.all([streams.events, streams.sse].map(({ until }) => until("breaker end: created")));
    await logging.flush();
    const [events, sse] = [linesOf(streams.events.text()).map(parsed), eventsOf(streams.sse.text())].map(eventsIn);
    expect(sse).toEqual(events);
    const did = (wanted: string) => events?.filter(({ cause }) => cause.action === wanted) ?? [];
    expect(did("SetBreakerOverride").map(({ cause }) => cause.reason)).toEqual(
      texts.map((text) => text.toWellFormed()),
    );
    expect(did("SetPercentage")).toHaveLength(texts.length + 1);
    expect(did("Connect")).toHaveLength(texts.length);
    for (const { name, text } of events ?? []) expect(`${name} ${text}`).not.toMatch(UNSAFE);
    // Each is one complete line.
    expect(linesOf(streams.flags.text()).map(parsed).length).toBeGreaterThan(texts.length);
    expect(eventsOf(streams.breakers.text()).length).toBeGreaterThan(texts.length);
    for (const name of ["module_loader.log", "feature_flags.log", "circuit_breaker.log"]) {
      for (const line of linesOf(readFileSync(join(directory, name), "utf8"))) parsed(line);
    }
    const logged = linesOf(output).map(parsed);
    for (const entry of logged) expect(entry).toMatchObject({ level: expect.any(Number), area: expect.any(String) });
    const said = logged.flatMap(({ module, msg }) => (module === "speaking" ? [String(msg).toWellFormed()] : []));
    expect(said.filter((text) => text !== "module started")).toEqual(
      expect.arrayContaining(texts.flatMap((text) => [text.toWellFormed(), text.toWellFormed()])),
    );
    for (const stream of Object.values(streams)) await stream.leave();
  });
});
