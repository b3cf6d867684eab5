import { Code, ConnectError } from "@connectrpc/connect";
import { expect, it } from "vitest";
import { FlagService } from "../../../gen/helios/v1/flag_service_pb.ts";
import { createManualClock, type LogLevel } from "../../../src/core/index.ts";
import { createCallLog } from "../../../src/server/calls/log.ts";

it("a line whose level is off is not created, and its message is not formatted", () => {
  const lines: unknown[] = [];
  const isOn = (level: LogLevel): boolean => level === "error";
  const log = Object.assign((level: LogLevel, message: string) => void lines.push([level, message]), { isOn });
  const begin = createCallLog(createManualClock(), log).of(FlagService.method.evaluateFlag);
  begin().succeeded();
  begin().left();
  class Unreadable extends ConnectError {
    override toString(): string {
      throw new Error("the error was formatted");
    }
  }
  begin().failed(new Unreadable("no", Code.NotFound), false);
  expect(lines).toEqual([]);
  begin().failed(new ConnectError("broken", Code.Internal), false);
  expect(lines).toEqual([["error", "call failed"]]);
});

it("a call is logged with its method, its code and its duration, at the level of its kind", () => {
  const clock = createManualClock();
  const lines: unknown[] = [];
  const log = createCallLog(clock, (level, message, fields) => void lines.push({ level, message, ...fields }));
  const end = log.of(FlagService.method.setPercentage)();
  clock.advance(1.5);
  end.succeeded();
  log.of(FlagService.method.evaluateFlag)().succeeded();
  log.of(FlagService.method.watchFlags)().left();
  log.of(FlagService.method.getFlag)().failed(new ConnectError("gone", Code.Canceled), true);
  expect(lines).toMatchObject([
    { level: "info", message: "call", rpc: "FlagService/SetPercentage", code: "ok", durationMs: 1.5 },
    { level: "debug", message: "call", rpc: "FlagService/EvaluateFlag", code: "ok" },
    { level: "debug", message: "call", rpc: "FlagService/WatchFlags", code: "canceled" },
    { level: "debug", message: "call failed", rpc: "FlagService/GetFlag", code: "canceled" },
  ]);
});
