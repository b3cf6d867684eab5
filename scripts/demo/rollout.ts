import type { HeliosClient } from "../../clients/typescript/src/index.ts";
import { Strategy } from "../../gen/helios/v1/flag_pb.ts";
import type { Show } from "./show.ts";

const FLAG = "neural_network_v2";
const SESSIONS = 1000;

/** Sets the share, evaluates 1,000 sessions, and returns those for whom the feature is on. */
export async function rolloutStep(
  client: HeliosClient,
  show: Show,
  percentage: number,
  before: ReadonlySet<string> = new Set(),
): Promise<ReadonlySet<string>> {
  const who = { actor: "demo", reason: "gradual rollout" };
  const { flag } =
    percentage === 100
      ? await client.flags.enableFlag({ name: FLAG, strategy: Strategy.ALL_ON, ...who })
      : await client.flags.setPercentage({ name: FLAG, percentage, allowMissing: true, ...who });
  const on = new Set<string>();
  for (let session = 0; session < SESSIONS; session += 1) {
    const sessionId = `session-${session}`;
    const { evaluation } = await client.flags.evaluateFlag({ name: FLAG, context: { sessionId } });
    if (evaluation?.enabled) on.add(sessionId);
  }
  const share = (on.size / SESSIONS) * 100;
  show.say(`  ${FLAG} at ${percentage} % (revision ${flag?.revision}): on for ${on.size} of ${SESSIONS} sessions`);
  show.check(Math.abs(share - percentage) <= 3, `${share.toFixed(1)} % is within 3 points of ${percentage} %`);
  if (before.size > 0)
    show.check(
      [...before].every((session) => on.has(session)),
      "nobody lost the feature",
    );
  return on;
}
