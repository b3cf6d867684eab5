import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ClientDays, clientNumber, MAX_CLIENTS } from "../../../../src/core/flags/usage/clients.ts";
import { readClients, writeClients } from "../../../../src/core/flags/usage/record.ts";
import { times } from "../../../effort.ts";

const DAY = 20_000;
const note = fc.tuple(fc.nat(2 ** 48 - 1), fc.integer({ min: DAY - 5, max: DAY }));
const crowd = fc
  .array(fc.tuple(fc.nat(200), fc.integer({ min: DAY - 5, max: DAY })), { minLength: 1, maxLength: 40 })
  .map((parts) =>
    parts.flatMap(([size, day], at) => Array.from({ length: size }, (_, n) => [at * 130 + n, day] as const)),
  );

/** The clients with their last days, without any limit. */
function plain(notes: readonly (readonly [number, number])[]): ReadonlyMap<number, number> {
  const days = new Map<number, number>();
  for (const [client, day] of notes) days.set(client, Math.max(days.get(client) ?? 0, day));
  return days;
}
const countSince = (days: ReadonlyMap<number, number>, from: number): number =>
  [...days.values()].filter((day) => day >= from).length;

describe("the clients of a flag", () => {
  it("are counted exactly, unless the count says that it may be more", () => {
    fc.assert(
      fc.property(fc.oneof(crowd, fc.array(note)), fc.integer({ min: DAY - 6, max: DAY + 1 }), (notes, from) => {
        const clients = new ClientDays();
        for (const [client, day] of notes) clients.note(client, day);
        const exact = countSince(plain(notes), from);
        const { clients: found, capped } = clients.since(from);
        expect(clients.size).toBeLessThanOrEqual(MAX_CLIENTS);
        if (capped) expect(found).toBeLessThanOrEqual(exact);
        else expect(found).toBe(exact);
      }),
      { numRuns: times(150, 3_000) },
    );
  });

  it("are the same if they are noted in parts, merged, written and read", () => {
    fc.assert(
      fc.property(fc.array(note, { maxLength: 50 }), fc.nat(50), (notes, cut) => {
        const [one, two] = [notes.slice(0, cut), notes.slice(cut)].map((part) =>
          readClients(writeClients(new ClientDays(part))),
        );
        const changes = one?.merge(two as ClientDays);
        expect(new Map(one?.entries())).toEqual(plain(notes));
        const news = [...plain(notes.slice(cut))].some(
          ([client, day]) => (plain(notes.slice(0, cut)).get(client) ?? 0) < day,
        );
        expect(changes).toBe(news);
        expect(one?.merge(two as ClientDays)).toBe(false);
      }),
      { numRuns: times(150, 3_000) },
    );
  });

  it("stay capped for a window that begins before a forgotten client's day, also when they are stored", () => {
    const clients = new ClientDays();
    for (let client = 0; client < MAX_CLIENTS + 10; client += 1) clients.note(client, DAY);
    expect(readClients(writeClients(clients)).since(DAY)).toEqual({ clients: MAX_CLIENTS, capped: true });
    for (let client = 0; client < 3; client += 1) clients.note(1e6 + client, DAY + 1);
    expect(clients.since(DAY + 1)).toEqual({ clients: 3, capped: false });
    expect(clients.since(DAY)).toEqual({ clients: MAX_CLIENTS, capped: true });
  });

  it("have numbers that differ, and fit into what is stored", () => {
    const numbers = new Set(Array.from({ length: 20_000 }, (_, n) => clientNumber(`trader-${n}`)));
    expect(numbers.size).toBe(20_000);
    expect(Math.max(...numbers)).toBeLessThan(2 ** 48);
  });

  it.each(["", "null", "[]", "{", '{"days":7,"forgotten":"x"}', '{"days":{"x":"zzzzzzzzzz","20000":"!!!!!!!!!!12"}}'])(
    "are none if %j is stored",
    (text) => {
      expect(readClients(text).since(0)).toEqual({ clients: 0, capped: true });
      expect(readClients(text).since(1)).toEqual({ clients: 0, capped: false });
    },
  );
});
