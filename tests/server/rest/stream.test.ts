import { EventEmitter } from "node:events";
import { describe, expect, it } from "vitest";
import { createManualClock } from "../../../src/core/index.ts";
import type { HttpResponse } from "../../../src/server/rest/http.ts";
import { EVENTS, KEEP_ALIVE_MS, NDJSON, type StreamForm, writeStream } from "../../../src/server/rest/stream.ts";

/** A response that records what is written. */
class Written extends EventEmitter {
  headersSent = false;
  destroyed = false;
  writableNeedDrain = false;
  text = "";
  ended = false;
  writeHead(): void {
    this.headersSent = true;
  }
  write(text: string): boolean {
    this.text += text;
    return true;
  }
  end(): void {
    this.ended = true;
  }
}

/** A stream whose messages are sent by the test. */
function start(form: StreamForm) {
  const clock = createManualClock();
  const written = new Written();
  const waiting: ((step: { value?: number; end?: boolean }) => void)[] = [];
  async function* messages() {
    for (;;) {
      const { value, end = false } = await new Promise<{ value?: number; end?: boolean }>((resolve) =>
        waiting.push(resolve),
      );
      if (end) return;
      yield { value: value ?? 0 };
    }
  }
  const done = writeStream(written as unknown as HttpResponse, form, messages(), () => ({}) as never, clock);
  const send = async (step: { value?: number; end?: boolean }): Promise<void> => {
    while (waiting.length === 0) await Promise.resolve();
    waiting.shift()?.(step);
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  };
  return { clock, written, done, send };
}

describe("server-sent events", () => {
  it("send a comment whenever they were silent for long, from the start on", async () => {
    const { clock, written, done, send } = start(EVENTS);
    clock.advance(KEEP_ALIVE_MS - 1);
    expect([written.headersSent, written.text]).toEqual([false, ""]);
    clock.advance(1);
    expect([written.headersSent, written.text]).toEqual([true, ": still there\n\n"]);
    await send({ value: 1 });
    clock.advance(KEEP_ALIVE_MS - 1);
    expect(written.text).toBe(': still there\n\ndata: {"value":1}\n\n');
    clock.advance(2 * KEEP_ALIVE_MS);
    expect(written.text.match(/still there/g)).toHaveLength(3);
    await send({ end: true });
    await done;
    const atEnd = written.text;
    clock.advance(10 * KEEP_ALIVE_MS);
    expect([written.ended, written.text]).toEqual([true, atEnd]);
  });

  it("send no comment to a reader that does not read", async () => {
    const { clock, written, done, send } = start(EVENTS);
    written.writableNeedDrain = true;
    clock.advance(5 * KEEP_ALIVE_MS);
    expect(written.text).toBe("");
    await send({ end: true });
    await done;
  });
});

describe("lines of JSON", () => {
  it("contain messages and nothing else", async () => {
    const { clock, written, done, send } = start(NDJSON);
    clock.advance(10 * KEEP_ALIVE_MS);
    await send({ value: 1 });
    await send({ end: true });
    await done;
    expect(written.text).toBe('{"value":1}\n');
  });
});
