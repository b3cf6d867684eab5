import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  afterCut,
  afterFrame,
  type Connection,
  disconnected,
  heardAtOf,
  isConnected,
  UNHEARD,
} from "../../../clients/typescript/src/breaker/connection.ts";

const staleness = { cancel: () => {} };
const CONNECTED: Connection = { state: "CONNECTED", heardAt: 5, staleness };
const CUT: Connection = { state: "CUT", heardAt: 5, staleness };
const HEARD: Connection = { state: "HEARD", heardAt: 5 };
const LOST: Connection = { state: "LOST", heardAt: 5 };
const STOPPED: Connection = { state: "STOPPED", heardAt: 5 };

describe("a connection of a circuit", () => {
  it("counts as connected while the service's state is valid, also while the stream is lost", () => {
    const all = [UNHEARD, HEARD, CONNECTED, CUT, LOST, STOPPED];
    expect(all.filter(isConnected)).toEqual([CONNECTED, CUT]);
  });

  it.each([
    ["UNHEARD", UNHEARD, "HEARD"],
    ["HEARD", HEARD, "HEARD"],
    ["CONNECTED", CONNECTED, "CONNECTED"],
    ["CUT", CUT, "CONNECTED"],
    ["LOST", LOST, "HEARD"],
  ] as const)(
    "a connection that is %s stores the time of a frame, and has its stream back after it",
    (_, before, state) => {
      expect(afterFrame(before, 7)).toMatchObject({ state, heardAt: 7 });
    },
  );

  it.each([HEARD, CONNECTED, CUT, LOST])(
    "stays as it is after a frame that is older than the last ($state)",
    (before) => {
      expect(afterFrame(before, 4)).toBe(before);
    },
  );

  it.each([
    [UNHEARD, UNHEARD],
    [HEARD, LOST],
    [CONNECTED, CUT],
    [CUT, CUT],
    [LOST, LOST],
  ] as const)("loses its stream: from $state", (before, after) => {
    expect(afterCut(before)).toEqual(after);
  });

  it.each([
    [CONNECTED, HEARD],
    [CUT, LOST],
  ] as const)("ends, and keeps whether the stream is lost: from $state", (before, after) => {
    expect(disconnected(before)).toEqual(after);
  });

  it("a connection that has stopped stays stopped, whatever happens", () => {
    for (const after of [afterFrame(STOPPED, 9), afterCut(STOPPED), disconnected(STOPPED)]) expect(after).toBe(STOPPED);
  });

  it("never begins by itself, and the time of its last frame never goes back", () => {
    const steps = fc.array(fc.oneof(fc.nat(20), fc.constantFrom("cut" as const, "end" as const)));
    fc.assert(
      fc.property(fc.constantFrom(UNHEARD, HEARD, CONNECTED, CUT, LOST), steps, (first, all) => {
        let connection = first;
        for (const step of all) {
          const before = connection;
          if (step === "cut") connection = afterCut(before);
          else if (step === "end") connection = disconnected(before);
          else connection = afterFrame(before, step);
          expect(isConnected(connection) && !isConnected(before)).toBe(false);
          expect(heardAtOf(connection) ?? -1).toBeGreaterThanOrEqual(heardAtOf(before) ?? -1);
        }
      }),
    );
  });
});
