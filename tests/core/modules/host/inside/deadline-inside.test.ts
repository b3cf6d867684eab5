import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import type { Instance, Isolation } from "../../../../../src/core/modules/host/types/host.ts";
import { errorOf } from "../../../../support/errors.ts";
import { describeInEach } from "../../../../support/isolations.ts";
import { turn } from "../../../../support/turns.ts";
import { call, hostRig, NO_GRANTS } from "../../host-rig.ts";

const PATIENCE_MS = 20;

interface Blocked {
  readonly instance: Instance;
  /** Blocks the event loop, so that later messages wait to be read. Resolves when it has ended. */
  block(name: string): Promise<unknown>;
  release(name: string): void;
}

async function blockable(isolation: Isolation): Promise<Blocked> {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "helios-blocked-")));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const grants = { ...NO_GRANTS, fsRead: [directory] };
  const instance = await hostRig().start(isolation, "blocking", { grants });
  return {
    instance,
    block: (name) => call(instance, "block_until", join(directory, name)),
    release: (name) => writeFileSync(join(directory, name), ""),
  };
}

describeInEach("an unread call in a blocked %s", (isolation) => {
  it("does not run after its caller's deadline, and is reported as never begun", async () => {
    const { instance, block, release } = await blockable(isolation);
    const blocked = block("first");
    const origins = Array.from({ length: 40 }, (_, index) => ({ index }));
    const late = origins.map((origin) =>
      errorOf(instance.invoke("note", { json: origin }, { timeoutMs: PATIENCE_MS, origin })),
    );
    const patient = call(instance, "note", "patient");
    const reasons = (await Promise.all(late)).map(({ reason }) => reason);
    expect(new Set(reasons)).toEqual(new Set(["MODULE_DEADLINE_EXCEEDED"]));
    const became = Promise.all(origins.map((origin) => instance.aftermath(origin)));
    release("first");
    await Promise.all([blocked, patient]);
    expect(new Set(await became)).toEqual(new Set(["DROPPED"]));
    expect(await call(instance, "noted")).toEqual(["patient"]);
    expect(instance.busy).toBe(0);
  });

  it("does not run after its caller has left", async () => {
    const { instance, block, release } = await blockable(isolation);
    const blocked = block("first");
    const caller = new AbortController();
    const left = Array.from({ length: 40 }, (_, index) =>
      instance.invoke("note", { json: index }, { timeoutMs: 60_000, signal: caller.signal }).catch(String),
    );
    const patient = call(instance, "note", "patient");
    caller.abort("left");
    expect(new Set(await Promise.all(left))).toEqual(new Set(["left"]));
    expect(instance.leftBehind).toBe(40);
    // By then, the module has been notified.
    await turn();
    release("first");
    await Promise.all([blocked, patient]);
    expect(await call(instance, "noted")).toEqual(["patient"]);
    expect(instance.busy).toBe(0);
  });

  it("does not run if its caller leaves while an earlier method blocks", async () => {
    const { instance, block, release } = await blockable(isolation);
    const caller = new AbortController();
    const blocked = [block("first"), block("second")];
    const left = instance.invoke("note", { json: "left" }, { timeoutMs: 60_000, signal: caller.signal }).catch(String);
    release("first");
    await blocked[0];
    caller.abort("left");
    expect(await left).toBe("left");
    // By then, the module has been notified.
    await turn();
    release("second");
    await blocked[1];
    expect(await call(instance, "noted")).toEqual([]);
  });

  it("does not run either if it is the service's own and no one waits for it any more", async () => {
    const { instance, block, release } = await blockable(isolation);
    const blocked = block("first");
    expect((await errorOf(instance.exportState(PATIENCE_MS))).reason).toBe("MODULE_DEADLINE_EXCEEDED");
    await turn();
    release("first");
    await blocked;
    expect(await call(instance, "noted")).toEqual([]);
  });
});
