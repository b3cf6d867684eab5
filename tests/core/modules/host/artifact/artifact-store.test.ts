import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, it } from "vitest";
import { createManualClock, type ManualClock } from "../../../../../src/core/index.ts";
import { digestOf } from "../../../../../src/core/modules/host/artifact/artifact.ts";
import { directoryShelf, memoryShelf, type Shelf } from "../../../../../src/core/modules/host/artifact/shelf.ts";
import { type ArtifactStore, createArtifactStore } from "../../../../../src/core/modules/host/artifact/store.ts";
import { errorOf } from "../../../../support/errors.ts";
import { itInEach } from "../../../../support/isolations.ts";
import { SOAK } from "../../../../support/soak.ts";
import { turn } from "../../../../support/turns.ts";
import { answering, hostOf, launch, run, tree } from "../../artifact-rig.ts";

const PUTTER = join(import.meta.dirname, "../../../../fixtures/artifacts/putter.ts");
/** Is 0 right after a rename. */
const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
const TEN_MINUTES = 10 * 60_000;
const bytesOf = (text: string): Uint8Array => Buffer.from(text);
const named = (text: string): [string, Uint8Array] => [digestOf(bytesOf(text)), bytesOf(text)];

describe("artifacts on disk", () => {
  it("are one file each, named by the digest of its bytes", async () => {
    const artifactsDir = join(tree(), "deep/artifacts");
    const host = hostOf(tree({ "entry.ts": answering("1") }), { artifactsDir });
    const { artifact } = await host.resolve("entry");
    await host.resolve("entry");
    expect(readdirSync(artifactsDir)).toEqual([artifact]);
    expect(digestOf(readFileSync(join(artifactsDir, artifact)))).toBe(artifact);
  });

  it("are started by another host on the same directory, without the source files", async () => {
    const artifactsDir = tree();
    const first = hostOf(tree({ "entry.ts": answering('"kept"') }), { artifactsDir });
    const module = await first.resolve("entry");
    await first.close();
    const second = hostOf(tree(), { artifactsDir });
    expect(await run(await launch(second, module, "PROCESS"))).toBe("kept");
  });

  it.each<[string, (file: string) => void, string]>([
    [
      "damaged",
      (file) => writeFileSync(file, Buffer.concat([readFileSync(file).subarray(0, -3), Buffer.from("#")])),
      "is damaged",
    ],
    ["cut off", (file) => truncateSync(file, 20), "is damaged"],
    ["emptied", (file) => truncateSync(file, 0), "is damaged"],
  ])("artifacts that were %s are not run, and are built again by the next resolve", async (_, damage, problem) => {
    const artifactsDir = tree();
    const host = hostOf(tree({ "entry.ts": answering('"whole"') }), { artifactsDir });
    const module = await host.resolve("entry");
    damage(join(artifactsDir, module.artifact));
    const error = await errorOf(launch(host, module, "PROCESS"));
    expect(error).toMatchObject({ reason: "MODULE_LOAD_FAILED", metadata: { step: "import" } });
    expect(error.metadata.error).toContain(problem);
    expect(await host.resolve("entry")).toEqual(module);
    expect(await run(await launch(host, module, "PROCESS"))).toBe("whole");
  });

  it("artifacts that are missing are reported, and an invalid digest reads no file", async () => {
    const artifactsDir = tree({ secret: "x" });
    const host = hostOf(tree(), { artifactsDir });
    for (const artifact of ["0".repeat(64), "", "../secret", "secret"]) {
      const error = await errorOf(launch(host, { modulePath: "m", sha256: "", artifact }, "THREAD"));
      expect(error).toMatchObject({ reason: "MODULE_LOAD_FAILED", metadata: { step: "import" } });
      expect(error.metadata.error).toBe(
        `its artifact ${artifact} is not in ${artifactsDir}; load or swap m to create it again`,
      );
    }
  });

  it("artifacts that were half written when the service was killed are removed, and other files are kept", async () => {
    const half = `${"a".repeat(64)}.1.tmp`;
    const artifactsDir = tree({ [half]: "half", "notes.txt": "mine", "sub/x.tmp": "" });
    const { artifact } = await hostOf(tree({ "entry.ts": answering("1") }), { artifactsDir }).resolve("entry");
    expect(readdirSync(artifactsDir).sort()).toEqual([artifact, "notes.txt", "sub"].sort());
  });

  it("are complete once they are stored, though the service is killed during the next write", SOAK, async () => {
    const artifactsDir = tree();
    const bytes = 16 * 1024 * 1024;
    const args = [PUTTER, artifactsDir, String(bytes)];
    const putter = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const stored: string[] = [];
    createInterface(putter.stdout).on("line", (digest) => stored.push(digest));
    const gone = once(putter, "close");
    const sizes = (): number[] => readdirSync(artifactsDir).map((name) => sizeOf(join(artifactsDir, name)));
    while (stored.length < 2 || !sizes().some((size) => size > 0 && size < bytes)) {
      if (putter.exitCode !== null) throw new Error("it was never seen in the middle");
      await turn();
    }
    putter.kill("SIGKILL");
    await gone;
    const store = createArtifactStore(createManualClock(), directoryShelf(artifactsDir));
    const there = readdirSync(artifactsDir).filter((name) => !name.endsWith(".tmp"));
    expect(there).toEqual(expect.arrayContaining(stored));
    for (const digest of there) expect((await store.get(digest)).length).toBe(bytes);
    expect(readdirSync(artifactsDir).sort()).toEqual(there.sort());
  });

  it("artifacts that cannot be written are an error of the store, until they can be", async () => {
    const directory = tree({ file: "in the way" });
    const root = tree({ "entry.ts": answering("1") });
    const host = hostOf(root, { artifactsDir: join(directory, "file/artifacts") });
    expect((await errorOf(host.resolve("entry"))).reason).toBe("STORE_UNAVAILABLE");
    const store = createArtifactStore(createManualClock(), directoryShelf(join(directory, "file")));
    const put = (): Promise<void> => store.put(...named("a"));
    expect((await errorOf(put())).reason).toBe("STORE_UNAVAILABLE");
    rmSync(join(directory, "file"));
    await put();
    expect(existsSync(join(directory, "file", named("a")[0]))).toBe(true);
  });
});

describe.each(["on disk", "in memory"])("an unused artifact %s", (place) => {
  const rig = (): { clock: ManualClock; shelf: Shelf; store: ArtifactStore } => {
    const clock = createManualClock();
    const shelf = { ...(place === "on disk" ? directoryShelf(tree()) : memoryShelf()) };
    return { clock, shelf, store: createArtifactStore(clock, shelf) };
  };

  it("is deleted ten minutes after it was last written or read, and not before", async () => {
    const { clock, store } = rig();
    const [[kept, a], [put, b], [read, c]] = [named("kept"), named("put"), named("read")];
    await store.put(kept, a);
    await store.put(read, c);
    clock.advance(1);
    await store.put(put, b);
    clock.advance(TEN_MINUTES - 1);
    await store.get(read);
    await store.keep(new Set([kept]));
    expect(Buffer.from(await store.get(put)).toString()).toBe("put");
    clock.advance(TEN_MINUTES - 1);
    await store.get(read);
    clock.advance(1);
    await store.keep(new Set([kept]));
    await expect(store.get(put)).rejects.toThrow("is not in");
    expect(Buffer.from(await store.get(read)).toString()).toBe("read");
    expect(Buffer.from(await store.get(kept)).toString()).toBe("kept");
  });

  it("is not deleted while it is held, however long and often, nor for ten minutes after", async () => {
    const { clock, store } = rig();
    const [digest, bytes] = named("held");
    await store.put(digest, bytes);
    const releases = [store.hold(digest), store.hold(digest)];
    const survives = async (): Promise<boolean> => {
      await store.keep(new Set());
      return store.get(digest).then(
        () => true,
        () => false,
      );
    };
    for (const release of releases) {
      clock.advance(TEN_MINUTES * 100);
      expect(await survives()).toBe(true);
      release();
      // A second release changes nothing.
      release();
    }
    clock.advance(TEN_MINUTES - 1);
    expect(await survives()).toBe(true);
    clock.advance(TEN_MINUTES);
    expect(await survives()).toBe(false);
  });

  it("remains if it is stored again while others are being deleted", async () => {
    const { clock, shelf, store } = rig();
    const [digest, bytes] = named("again");
    await store.put(digest, bytes);
    clock.advance(TEN_MINUTES);
    const { promise: decided, resolve: decide } = Promise.withResolvers<void>();
    const { promise: goOn, resolve: letGoOn } = Promise.withResolvers<void>();
    const deleteNow = shelf.delete;
    shelf.delete = async (each) => {
      decide();
      await goOn;
      await deleteNow(each);
    };
    const deleting = store.keep(new Set());
    await decided;
    let isPut = false;
    const putting = store.put(digest, bytes).then(() => {
      isPut = true;
    });
    // Enough time for a put that does not wait to find the artifact and return.
    for (let turns = 0; turns < 100 && !isPut; turns += 1) await turn();
    letGoOn();
    await Promise.all([deleting, putting]);
    expect(Buffer.from(await store.get(digest)).toString()).toBe("again");
  });
});

it("artifacts of a host are deleted unless they are kept", async () => {
  const clock = createManualClock();
  const artifactsDir = tree();
  const host = hostOf(tree({ "a.ts": answering("1"), "b.ts": answering("2") }), { artifactsDir, clock });
  const [a, b] = [await host.resolve("a"), await host.resolve("b")];
  clock.advance(TEN_MINUTES);
  await host.keepArtifacts(new Set([a.artifact]));
  expect(readdirSync(artifactsDir)).toEqual([a.artifact]);
  expect(b.artifact).not.toBe(a.artifact);
});

itInEach("the artifact that a %s runs is kept until it has ended", async (isolation) => {
  const clock = createManualClock();
  const artifactsDir = tree();
  const host = hostOf(tree({ "a.ts": answering("1") }), { artifactsDir, clock });
  const module = await host.resolve("a");
  const instance = await launch(host, module, isolation);
  for (let minutes = 0; minutes < 60; minutes += 20) {
    clock.advance(2 * TEN_MINUTES);
    await host.keepArtifacts(new Set());
    expect(readdirSync(artifactsDir)).toEqual([module.artifact]);
  }
  instance.kill();
  await instance.ended;
  clock.advance(TEN_MINUTES);
  await host.keepArtifacts(new Set());
  expect(readdirSync(artifactsDir)).toEqual([]);
});

it("an artifact that did not start is not held any longer", async () => {
  const clock = createManualClock();
  const artifactsDir = tree();
  const host = hostOf(tree({ "a.ts": "throw new Error('no')" }), { artifactsDir, clock });
  expect((await errorOf(launch(host, await host.resolve("a"), "THREAD"))).reason).toBe("MODULE_LOAD_FAILED");
  clock.advance(TEN_MINUTES);
  await host.keepArtifacts(new Set());
  expect(readdirSync(artifactsDir)).toEqual([]);
});
