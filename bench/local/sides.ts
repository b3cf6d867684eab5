import { GrowthBookClient } from "@growthbook/growthbook";
import { FlagdCore } from "@openfeature/flagd-core";
import { createEngine } from "../../src/core/index.ts";
import { RULE } from "../sides/flag.ts";
import { FLAGD_FLAGS } from "../sides/flagd.ts";

/** A library that evaluates a flag that is on for half of the sessions. */
interface LocalSide {
  readonly name: string;
  open(): Promise<{ isOn(session: string): boolean; close(): Promise<void> }>;
}

const nothing = async (): Promise<void> => {};

export const SIDES: readonly LocalSide[] = [
  {
    name: "Helios",
    async open() {
      const engine = await createEngine({ modulesRoot: import.meta.dirname });
      const { name, enabled, strategy, percentage, salt } = RULE;
      await engine.flags.create(name, { enabled, strategy, percentage, salt });
      return {
        isOn: (session) => engine.flags.evaluate(name, { sessionId: session }).enabled,
        close: () => engine.close(),
      };
    },
  },
  {
    name: "flagd-core",
    async open() {
      const core = new FlagdCore();
      core.setConfigurations(JSON.stringify(FLAGD_FLAGS));
      return {
        isOn: (session) => core.resolveBooleanEvaluation(RULE.name, false, { targetingKey: session }).value,
        close: nothing,
      };
    },
  },
  {
    name: "GrowthBook",
    async open() {
      const rule = { force: true, coverage: RULE.percentage / 100, hashAttribute: "session" };
      const client = new GrowthBookClient().initSync({
        payload: { features: { [RULE.name]: { defaultValue: false, rules: [rule] } } },
      });
      return { isOn: (session) => client.isOn(RULE.name, { attributes: { session } }), close: nothing };
    },
  },
];
