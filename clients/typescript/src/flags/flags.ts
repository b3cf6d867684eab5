import type { Client } from "@connectrpc/connect";
import type { Flag } from "../../../../gen/helios/v1/flag_pb.ts";
import type { FlagService } from "../../../../gen/helios/v1/flag_service_pb.ts";
import type { FlagContext } from "./context.ts";
import type { FlagDetails } from "./decision.ts";
import type { FlagChange, LocalFlags } from "./local.ts";

/** Who makes a change, and why. Both are recorded with it. */
export interface ChangeOptions {
  readonly actor?: string;
  readonly reason?: string;
}

export interface SwitchOffOptions extends ChangeOptions {
  /** Only `enable` with a reason enables the flag again. */
  readonly kill?: boolean;
}

/**
 * The feature flags. Decisions are made in this process, from what the service has said last: they never wait, throw, or need the
 * service. Changes are calls of the service, and reject if it cannot be reached. A change is applied here as soon as the service
 * has sent it.
 */
export interface HeliosFlags {
  /** Whether the flag is on. `standard` (false): the answer if the flag is not known or cannot be decided. */
  isEnabled(name: string, context?: FlagContext, standard?: boolean): boolean;
  /** The value of the flag, if it is on and its value has the type of `standard`; otherwise `standard`. */
  value<T>(name: string, context: FlagContext | undefined, standard: T): T;
  /** The same with the reason, where the answer comes from, and how old it is. */
  details<T>(name: string, context: FlagContext | undefined, standard: T): FlagDetails<T>;
  /**
   * Calls `listener` with each change of these flags (of all, if `names` is empty) after it is applied. Returns what stops that.
   * What the listener throws is logged.
   */
  onChange(names: readonly string[], listener: (change: FlagChange) => void): () => void;
  /** The flag as the service sent it last. Undefined if the service has no such flag, or has not sent its flags yet. */
  get(name: string): Flag | undefined;
  /** Sets the share of a flag, which becomes a percentage flag. Creates the flag if it does not exist. */
  setPercentage(name: string, percentage: number, options?: ChangeOptions): Promise<Flag>;
  /** Adds entries to the whitelist of a flag. Creates the flag if it does not exist. */
  addToWhitelist(name: string, entries: readonly string[], options?: ChangeOptions): Promise<Flag>;
  removeFromWhitelist(name: string, entries: readonly string[], options?: ChangeOptions): Promise<Flag>;
  enable(name: string, options?: ChangeOptions): Promise<Flag>;
  disable(name: string, options?: SwitchOffOptions): Promise<Flag>;
}

/** Creates the flags of a client. `newId` makes the ids by which the service knows a repeated request. */
export function createFlags(local: LocalFlags, rpc: Client<typeof FlagService>, newId: () => string): HeliosFlags {
  const by = ({ actor = "", reason = "" }: ChangeOptions = {}) => ({ actor, reason, requestId: newId() });
  const changed = async (answer: Promise<{ readonly flag?: Flag | undefined }>): Promise<Flag> => {
    const { flag } = await answer;
    if (flag === undefined) throw new Error("the service has answered without the flag");
    return flag;
  };
  return {
    isEnabled: (name, context, standard) => local.isEnabled(name, context, standard),
    value: (name, context, standard) => local.value(name, context, standard),
    details: (name, context, standard) => local.details(name, context, standard),
    onChange: (names, listener) => local.onChange(names, listener),
    get: (name) => local.held.get(name),
    setPercentage: (name, percentage, options) =>
      changed(rpc.setPercentage({ name, percentage, allowMissing: true, ...by(options) })),
    addToWhitelist: (name, entries, options) =>
      changed(rpc.addToWhitelist({ name, entries: [...entries], allowMissing: true, ...by(options) })),
    removeFromWhitelist: (name, entries, options) =>
      changed(rpc.removeFromWhitelist({ name, entries: [...entries], ...by(options) })),
    enable: (name, options) => changed(rpc.enableFlag({ name, ...by(options) })),
    disable: (name, { kill = false, ...options } = {}) => changed(rpc.disableFlag({ name, kill, ...by(options) })),
  };
}
