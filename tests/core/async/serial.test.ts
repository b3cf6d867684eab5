import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KeyedSerial, Serial } from "../../../src/core/async/serial.ts";
import { turn } from "../../support/turns.ts";

/** Pieces of work that end when the test says so. The beginning and the end of each are recorded. */
function pieces() {
  const notes: string[] = [];
  const ends = new Map<string, { resolve(): void; reject(error: Error): void }>();
  const piece = (name: string) => (): Promise<string> => {
    notes.push(`${name} begins`);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const end = (settle: () => void) => () => {
      notes.push(`${name} ends`);
      settle();
    };
    ends.set(name, { resolve: end(() => resolve(name)), reject: (error) => end(() => reject(error))() });
    return promise;
  };
  return {
    notes,
    piece,
    end: (name: string) => ends.get(name)?.resolve(),
    fail: (name: string) => ends.get(name)?.reject(new Error(name)),
  };
}

describe("a serial queue", () => {
  it("starts a piece of work right after the caller's own step, if nothing is under way", async () => {
    const { notes, piece } = pieces();
    void new Serial().run(piece("a"));
    expect(notes).toEqual([]);
    await Promise.resolve();
    expect(notes).toEqual(["a begins"]);
  });

  it("starts a piece of work when the one before has ended, fulfilled or rejected", async () => {
    const { notes, piece, end, fail } = pieces();
    const serial = new Serial();
    const first = serial.run(piece("a"));
    const second = serial.run(piece("b"));
    const third = serial.run(piece("c"));
    await turn();
    expect(notes).toEqual(["a begins"]);
    fail("a");
    await expect(first).rejects.toThrow("a");
    await turn();
    expect(notes).toEqual(["a begins", "a ends", "b begins"]);
    end("b");
    await expect(second).resolves.toBe("b");
    await turn();
    end("c");
    await expect(third).resolves.toBe("c");
  });

  it("rejects if a piece of work throws before it returns a promise, and continues", async () => {
    const serial = new Serial();
    const thrown = serial.run(() => {
      throw new Error("at once");
    });
    await expect(thrown).rejects.toThrow("at once");
    await expect(serial.run(async () => "next")).resolves.toBe("next");
  });

  it("is idle when all work has ended, and at once if there was no work", async () => {
    const { notes, piece, end, fail } = pieces();
    const serial = new Serial();
    await serial.idle();
    const work = Promise.allSettled([serial.run(piece("a")), serial.run(piece("b"))]);
    await turn();
    const idle = serial.idle().then(() => notes.push("idle"));
    fail("a");
    await turn();
    expect(notes).not.toContain("idle");
    end("b");
    await idle;
    await work;
    expect(notes).toEqual(["a begins", "a ends", "b begins", "b ends", "idle"]);
  });

  it("runs each piece of work once, alone and in order, whatever fails and however long each takes", async () => {
    const plans = fc.array(fc.tuple(fc.nat({ max: 3 }), fc.boolean()), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(plans, async (plan) => {
        const serial = new Serial();
        const begun: number[] = [];
        let underWay = 0;
        const outcomes = plan.map(([turns, fails], index) =>
          serial.run(async () => {
            begun.push(index);
            underWay += 1;
            expect(underWay).toBe(1);
            for (let at = 0; at < turns; at += 1) await Promise.resolve();
            underWay -= 1;
            if (fails) throw new Error(`${index}`);
            return index;
          }),
        );
        const settled = await Promise.allSettled(outcomes);
        expect(begun).toEqual(plan.map((_, index) => index));
        expect(settled.map(({ status }) => status === "rejected")).toEqual(plan.map(([, fails]) => fails));
      }),
    );
  });
});

describe("a serial queue by key", () => {
  it("starts a piece of work at once if it has nothing to wait for", () => {
    const { notes, piece } = pieces();
    void new KeyedSerial().run("x", piece("x1"));
    expect(notes).toEqual(["x1 begins"]);
  });

  it("runs the work of one key in order, and that of other keys beside it", async () => {
    const { notes, piece, end } = pieces();
    const serial = new KeyedSerial();
    void serial.run("x", piece("x1"));
    void serial.run("x", piece("x2"));
    void serial.run("y", piece("y1"));
    await turn();
    expect(notes).toEqual(["x1 begins", "y1 begins"]);
    end("x1");
    await turn();
    expect(notes.at(-1)).toBe("x2 begins");
  });

  it("makes work on all keys wait for all earlier work, and all later work wait for it", async () => {
    const { notes, piece, end } = pieces();
    const serial = new KeyedSerial();
    void serial.run("x", piece("x1"));
    void serial.run("y", piece("y1"));
    void serial.runAlone(piece("all"));
    void serial.run("x", piece("x2"));
    void serial.run("z", piece("z1"));
    void serial.runAlone(piece("all again"));
    end("x1");
    await turn();
    expect(notes).toEqual(["x1 begins", "y1 begins", "x1 ends"]);
    end("y1");
    await turn();
    expect(notes.at(-1)).toBe("all begins");
    end("all");
    await turn();
    expect(notes.slice(-2)).toEqual(["x2 begins", "z1 begins"]);
    end("x2");
    await turn();
    expect(notes.at(-1)).toBe("x2 ends");
    end("z1");
    await turn();
    expect(notes.at(-1)).toBe("all again begins");
  });

  it("continues after work on all keys that fails", async () => {
    const serial = new KeyedSerial();
    const failed = serial.runAlone(() => Promise.reject(new Error("no")));
    const later = serial.run("x", async () => "done");
    await expect(failed).rejects.toThrow("no");
    await expect(later).resolves.toBe("done");
  });
});
