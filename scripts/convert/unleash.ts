import { AskedWrongly, attribute, type Converted, isObject, type Json, NotCarried, text } from "./converted.ts";

/**
 * The flags of an Unleash export, or of its client API, in one environment. AskedWrongly if that environment does not
 * exist.
 */
export function fromUnleash(file: Json, environment: string | undefined): readonly Converted[] {
  const list = (key: string): readonly Json[] => (Array.isArray(file[key]) ? file[key].filter(isObject) : []);
  if (environment !== undefined) {
    const those = [...list("featureEnvironments"), ...list("featureStrategies")].map((each) =>
      String(each.environment),
    );
    const names = new Set([...list("environments").map((each) => String(each.name)), ...those]);
    if (!names.has(environment)) {
      const known = names.size === 0 ? "no environments" : `the environments ${[...names].map(text).join(", ")}`;
      throw new AskedWrongly(`there is no environment ${text(environment)}; the file has ${known}`);
    }
  }
  return list("features").map((feature) => {
    const name = String(feature.name);
    if (feature.archived === true || feature.archivedAt) return { name, lost: ["it is archived: it is left out"] };
    const here = (each: Json): boolean =>
      (each.featureName ?? each.feature) === name && (environment === undefined || each.environment === environment);
    const strategies = Array.isArray(feature.strategies)
      ? feature.strategies.filter(isObject)
      : list("featureStrategies").filter(here);
    const states = list("featureEnvironments").filter(here);
    const enabled = states.length > 0 ? states.some((state) => state.enabled === true) : feature.enabled === true;
    const description = typeof feature.description === "string" ? { description: feature.description } : {};
    try {
      if (new Set(states.map((state) => state.environment)).size > 1) {
        throw new NotCarried("more than one environment (name one with --environment)");
      }
      if (dependsOnOthers(feature, list("dependencies"))) throw new NotCarried("dependencies on other features");
      const active = strategies.filter((each) => each.disabled !== true);
      if (active.length < strategies.length && active.length === 0)
        throw new NotCarried("strategies, all of them disabled");
      const { entry, rebuckets, isBySessionOnly } = strategic(active);
      const [inEnvironment] = states.filter(({ variants: own }) => Array.isArray(own) && own.length > 0);
      const forms = variants(inEnvironment ?? feature, active, entry.bucket_by);
      const isSplit = rebuckets || forms.entry.variants !== undefined;
      const lost = isBySessionOnly || forms.isBySessionOnly ? [BY_SESSION_ONLY] : [];
      return { name, entry: { enabled, ...entry, ...forms.entry, ...description }, lost, rebuckets: isSplit };
    } catch (error) {
      if (!(error instanceof NotCarried)) throw error;
      const entry = { enabled: false, strategy: "all_off", ...description };
      return { name, entry, lost: [`${error.message}: it is switched off here`] };
    }
  });
}

/** The client API has the dependencies in the feature, an export beside the features. */
function dependsOnOthers({ name, dependencies }: Json, all: readonly Json[]): boolean {
  if (Array.isArray(dependencies) && dependencies.length > 0) return true;
  return all.some(({ feature, child }) => feature === name || child === name);
}

interface Strategy {
  readonly entry: Json;
  readonly rebuckets: boolean;
  /** In Unleash, the user would come first. */
  readonly isBySessionOnly?: boolean;
}

const STICKINESS: Readonly<Record<string, string>> = {
  default: "session_id",
  sessionId: "session_id",
  userId: "user_id",
};

function bucketByOf(stickiness: string, of = ""): string {
  const by = Object.hasOwn(STICKINESS, stickiness) ? STICKINESS[stickiness] : undefined;
  if (by === undefined) throw new NotCarried(`the stickiness ${text(stickiness)}${of}`);
  return by;
}

const BY_SESSION_ONLY =
  "the default stickiness is the user, else the session, else chance: it is the session here, and who has none is left out";

/** Combines strategies: a caller needs to meet only one of them. */
function strategic(strategies: readonly Json[]): Strategy {
  if (strategies.length === 0) return { entry: { strategy: "all_on" }, rebuckets: false };
  const all = strategies.map(one);
  const everyone = all.find(({ entry }) => entry.strategy === "all_on" && entry.condition === undefined);
  if (everyone !== undefined) return everyone;
  const [first, second, ...others] = all;
  if (first === undefined || second === undefined) return first ?? strategic([]);
  const both = [first, second];
  const listed = both.find(({ entry }) => entry.strategy === "whitelist" && entry.condition === undefined);
  const share = both.find(({ entry }) => entry.strategy === "percentage" && entry.condition === undefined);
  if (others.length > 0 || listed === undefined || share === undefined) {
    throw new NotCarried("several strategies, of which one must be met");
  }
  const { whitelist } = listed.entry;
  return { ...share, entry: { ...share.entry, whitelist, whitelist_first: true } };
}

function one(strategy: Json): Strategy {
  const name = String(strategy.name ?? strategy.strategyName);
  const parameters = isObject(strategy.parameters) ? strategy.parameters : {};
  if (Array.isArray(strategy.segments) && strategy.segments.length > 0) throw new NotCarried("segments");
  const constraints = Array.isArray(strategy.constraints) ? strategy.constraints.filter(isObject).map(constraint) : [];
  const where = constraints.length === 0 ? {} : { condition: constraints.join(" && ") };
  const salt = typeof parameters.groupId === "string" && parameters.groupId !== "" ? { salt: parameters.groupId } : {};
  const share = (value: unknown, bucket_by: string): Strategy => {
    const percentage = Number(value);
    if (!(percentage >= 0 && percentage <= 100)) throw new NotCarried(`a share of ${String(value)} %`);
    return { entry: { strategy: "percentage", percentage, bucket_by, ...salt, ...where }, rebuckets: true };
  };
  if (name === "default") return { entry: { strategy: "all_on", ...where }, rebuckets: false };
  if (name === "flexibleRollout") {
    const stickiness = String(parameters.stickiness ?? "default");
    const isOfAnybody = stickiness === "default" || stickiness === "random";
    if (isOfAnybody && Number(parameters.rollout) === 100) {
      return { entry: { strategy: "all_on", ...where }, rebuckets: false };
    }
    return { ...share(parameters.rollout, bucketByOf(stickiness)), isBySessionOnly: stickiness === "default" };
  }
  if (name === "gradualRolloutUserId") return share(parameters.percentage, "user_id");
  if (name === "gradualRolloutSessionId") return share(parameters.percentage, "session_id");
  if (name === "userWithId") {
    const ids = String(parameters.userIds ?? "")
      .split(",")
      .map((id) => id.trim())
      .filter((id) => id !== "");
    const whitelist = [...new Set(ids)].map((id) => `user_id:${id}`);
    return { entry: { strategy: "whitelist", whitelist, ...where }, rebuckets: false };
  }
  throw new NotCarried(`the strategy ${text(name)}`);
}

/** As CEL. A missing field makes it false, but never fails. */
function constraint({ contextName, operator, values = [], inverted, caseInsensitive }: Json): string {
  const known: Json = { userId: "context.user_id", sessionId: "context.session_id" };
  const own = Object.hasOwn(known, String(contextName)) ? String(known[String(contextName)]) : undefined;
  const field = own ?? attribute(String(contextName));
  const given = own === undefined ? `has(${field})` : `${field} != ""`;
  const isKnown = (operator === "IN" || operator === "NOT_IN") && caseInsensitive !== true && Array.isArray(values);
  if (!isKnown) throw new NotCarried(`the constraint ${String(operator)}`);
  const isNot = (operator === "NOT_IN") !== (inverted === true);
  return `${isNot ? "!" : ""}(${given} && ${field} in ${JSON.stringify(values.map(String))})`;
}

/** `bucketBy` is that of the flag's share, if it has one. */
function variants(
  owner: Json,
  strategies: readonly Json[],
  bucketBy: unknown,
): Pick<Strategy, "entry" | "isBySessionOnly"> {
  if (strategies.some(({ variants: own }) => Array.isArray(own) && own.length > 0)) {
    throw new NotCarried("variants of a strategy");
  }
  const list = Array.isArray(owner.variants) ? owner.variants.filter(isObject) : [];
  if (list.length === 0) return { entry: {} };
  if (list.some(({ overrides }) => Array.isArray(overrides) && overrides.length > 0)) {
    throw new NotCarried("overrides of variants");
  }
  const forms = list.map(({ name, weight, payload }) => ({ name, weight, value: payloadOf(payload) }));
  // With only one variant, stickiness has no effect.
  if (forms.filter(({ weight }) => weight !== 0).length < 2) return { entry: { variants: forms } };
  const stickiness = String(list[0]?.stickiness ?? "default");
  const by = bucketByOf(stickiness, " of variants");
  // A share by users contains only callers with a user.
  const isByUser = stickiness === "default" && bucketBy === "user_id";
  if (bucketBy !== undefined && bucketBy !== by && !isByUser)
    throw new NotCarried("variants that stick to another thing than the share");
  const isBySessionOnly = stickiness === "default" && !isByUser;
  return { entry: { variants: forms, bucket_by: bucketBy ?? by }, isBySessionOnly };
}

function payloadOf(payload: unknown): unknown {
  if (!isObject(payload)) return true;
  const value = String(payload.value);
  if (payload.type === "number") {
    if (value.trim() === "" || !Number.isFinite(Number(value))) throw new NotCarried("a payload that is no number");
    return Number(value);
  }
  if (payload.type !== "json") return value;
  try {
    return JSON.parse(value);
  } catch {
    throw new NotCarried("a payload that is no JSON");
  }
}
