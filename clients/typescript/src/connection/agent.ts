import * as http from "node:http";
import * as https from "node:https";

export type Agent = http.Agent;

/** The connections of one client over HTTP/1.1. They work as Node's own, but end with the client. */
export function createAgent(baseUrl: string): Agent {
  const { Agent, globalAgent } = new URL(baseUrl).protocol === "https:" ? https : http;
  // Settings of the process for all agents, such as proxies; the types do not have them.
  const { options } = globalAgent as { readonly options?: http.AgentOptions };
  return new Agent({ keepAlive: true, ...options });
}
