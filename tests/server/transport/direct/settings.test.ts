import { expect, it } from "vitest";
import { readSettings, TableSizeUpdate } from "../../../../src/server/transport/direct/settings.ts";
import { encodeTableSize } from "../../../../src/server/transport/hpack/encoder.ts";
import { setting } from "../../../wire/abuse/frames.ts";

const TABLE = 1;
const WINDOW = 4;
const BLOCK = Buffer.of(0x88);

const payload = (...settings: readonly Buffer[]): Buffer => Buffer.concat(settings);

it("of equal settings the last one counts, and of the table's sizes also the smallest", () => {
  const read = readSettings(payload(setting(WINDOW, 1), setting(TABLE, 0), setting(WINDOW, 2), setting(TABLE, 9000)));
  expect(read).toEqual({ initialWindow: 2, tableSizes: { smallest: 0, last: 9000 } });
  expect(readSettings(payload(setting(3, 7)))).toEqual({ initialWindow: undefined, tableSizes: undefined });
});

it("the first block after the acknowledgement begins with the sizes, no larger than node:http2 has them", () => {
  const update = new TableSizeUpdate();
  update.announced(undefined);
  update.announced({ smallest: 0, last: 9000 });
  update.acknowledged();
  expect(update.before(BLOCK)).toBe(BLOCK);
  update.acknowledged();
  // RFC 7541, 4.2: the smallest size must be signalled too.
  expect(update.before(BLOCK)).toEqual(Buffer.of(0x20, 0x3f, 0xe1, 0x1f, 0x88));
  expect(update.before(BLOCK)).toBe(BLOCK);
});

it("a block of node:http2 has told the client already", () => {
  const update = new TableSizeUpdate();
  update.announced({ smallest: 100, last: 100 });
  update.acknowledged();
  update.sentElsewhere();
  expect(update.before(BLOCK)).toBe(BLOCK);
});

it("sizes are written as RFC 7541 does in 5.1", () => {
  expect([0, 30, 31, 1337].map((bytes) => [...encodeTableSize(bytes)])).toEqual([
    [0x20],
    [0x3e],
    [0x3f, 0],
    [0x3f, 0x9a, 0x0a],
  ]);
});
