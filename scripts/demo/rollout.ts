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
  const sessions = Array.from({ length: SESSIONS }, (_, session) => `session-${session}`);
  const evaluations = await Promise.all(
    sessions.map((sessionId) => client.flags.evaluateFlag({ name: FLAG, context: { sessionId } })),
  );
  const on = new Set(sessions.filter((_, session) => evaluations[session]?.evaluation?.enabled));
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
