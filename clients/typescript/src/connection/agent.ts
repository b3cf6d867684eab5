import * as http from "node:http";
import * as https from "node:https";

export type Agent = http.Agent;

/** The ways to one service over HTTP/1.1, as Node's own are, but of one client alone: they end with it. */
export function createAgent(baseUrl: string): Agent {
  const { Agent, globalAgent } = new URL(baseUrl).protocol === "https:" ? https : http;
  // Not in the types: what the user of this process has set for all of them, such as proxies.
  const { options } = globalAgent as { readonly options?: http.AgentOptions };
  return new Agent({ keepAlive: true, ...options });
}
