import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { describeInEach } from "../../../../support/isolations.ts";
import { turn } from "../../../../support/turns.ts";
import { until } from "../../../../support/until.ts";
import { call, hostRig, NO_GRANTS } from "../../host-rig.ts";

const LARGE = { binary: new Uint8Array(4_000_000) };

describeInEach("a module in a %s that makes many calls and does not read", (isolation) => {
  /** A module with a record of its calls and its log, and bursts of calls that it makes. */
  const asking = async (answered: () => Promise<unknown> = async () => {}) => {
    const directory = realpathSync(mkdtempSync(join(tmpdir(), "helios-bursts-")));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const counts = { ran: 0 };
    const rig = hostRig({
      call: async () => {
        counts.ran += 1;
        await answered();
        return LARGE;
      },
    });
    const grants = { ...NO_GRANTS, fsRead: [directory] };
    const instance = await rig.start(isolation, "blocking", { grants, maxHeapMb: 512 });
    const pathOf = (burst: number): string => join(directory, String(burst));
    return {
      counts,
      logged: rig.logged,
      /** Counts the calls by their outcome. */
      async outcomes(...calls: readonly number[]) {
        const bursts = calls.map((each, burst) => ({ calls: each, path: pathOf(burst) }));
        const byOutcome = (await call(instance, "call_and_block", bursts)) as readonly string[];
        return Object.fromEntries(
          Map.groupBy(byOutcome, (one) => one)
            .entries()
            .map(([one, { length }]) => [one, length]),
        );
      },
      /** Lets the module continue after the calls of a burst. */
      goOn: (burst: number) => writeFileSync(pathOf(burst), ""),
    };
  };

  it("gets the answers to all calls under way, though they exceed the limit for other senders", async () => {
    const all = Promise.withResolvers<void>();
    const { counts, outcomes, goOn } = await asking(() => all.promise);
    const byOutcome = outcomes(25);
    await until(() => counts.ran === 25);
    all.resolve();
    goOn(0);
    expect(await byOutcome).toEqual({ answered: 25 });
  });

  it("learns that a call was carried out, and not that it may retry, if there is no space for the answer", async () => {
    const all = Promise.withResolvers<void>();
    const { counts, outcomes, goOn } = await asking(() => all.promise);
    const byOutcome = outcomes(60);
    await until(() => counts.ran === 60);
    all.resolve();
    await turn();
    goOn(0);
    expect(await byOutcome).toEqual({ answered: expect.any(Number), MODULE_ANSWER_LOST: expect.any(Number) });
    expect((await byOutcome).answered).toBeGreaterThanOrEqual(32);
  });

  it("makes no further calls while answers wait: they are refused before they run, or wait in its pipe", async () => {
    const { counts, logged, outcomes, goOn } = await asking();
    const byOutcome = outcomes(17, 10);
    await until(() => counts.ran === 17);
    goOn(0);
    if (isolation === "THREAD") await until(() => logged.includes("10 calls"));
    expect(counts.ran).toBe(17);
    goOn(1);
    const { answered = 0, MODULE_OVERLOADED: refused = 0, ...others } = await byOutcome;
    expect({ ...others, answered, refused }).toEqual({ answered: counts.ran, refused: 27 - counts.ran });
    if (isolation === "THREAD") expect(refused).toBe(10);
  });
});
