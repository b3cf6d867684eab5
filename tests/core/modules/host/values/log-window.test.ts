import { describe, expect, it } from "vitest";
import { createManualClock } from "../../../../../src/core/index.ts";
import { loggingBy } from "../../../../../src/core/modules/host/inside/log-gate.ts";
import { createInstanceLog } from "../../../../../src/core/modules/host/instance/instance-log.ts";
import { fromModule } from "../../../../../src/core/modules/host/wire/packets.ts";
import type { FromInstance } from "../../../../../src/core/modules/host/wire/protocol.ts";

type Entry = Extract<FromInstance, { type: "log" }>;

/** The log of an instance, and the part that the service logs. `ofInstance` passes the instance's own limit first. */
function logs() {
  const clock = createManualClock();
  const logged: [string, unknown][] = [];
  const log = createInstanceLog({ log: (_, message, fields) => void logged.push([message, fields]) }, clock);
  const send = loggingBy(
    (packet) => {
      const { level, message, fields } = fromModule(packet, () => false) as Entry;
      log(level, message, fields);
    },
    () => clock.monotonic(),
  );
  const ofInstance = (message: string): void => send({ type: "log", level: "info", message, fields: {} });
  return { clock, logged, log: (message: string) => log("info", message, {}), ofInstance };
}

const times = (count: number, work: () => void): void => {
  for (let done = 0; done < count; done += 1) work();
};

describe("the log of an instance", () => {
  it("counts the entries that the instance dropped, and the service drops no more", () => {
    const { clock, logged, ofInstance } = logs();
    times(1500, () => ofInstance("first"));
    expect(logged).toHaveLength(1000);
    clock.advance(1000);
    times(1500, () => ofInstance("second"));
    clock.advance(1000);
    ofInstance("third");
    const reports = logged.filter(([message]) => message === "log entries were dropped");
    expect(reports).toEqual([
      ["log entries were dropped", { dropped: 500 }],
      ["log entries were dropped", { dropped: 500 }],
    ]);
    expect(logged).toHaveLength(2 * 1000 + 2 + 1);
  });

  it("accepts only a limited excess over the instance's own limit, and counts the dropped entries", () => {
    const { clock, logged, log } = logs();
    times(1500, () => log("line"));
    expect(logged).toHaveLength(1001);
    clock.advance(999);
    log("line");
    expect(logged).toHaveLength(1001);
    clock.advance(1);
    log("last");
    expect(logged.slice(1001)).toEqual([
      ["log entries were dropped", { dropped: 500 }],
      ["last", {}],
    ]);
  });
});
