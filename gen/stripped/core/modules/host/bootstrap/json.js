/**
 * Nesting of what a module's method returns; the call of a deeper one fails with `MODULE_METHOD_FAILED`. @limit levels
 */
const MAX_DEPTH = 200;

/**
 * A method's result as a JSON value: undefined members go, dates and others with `toJSON` become what that says. Throws a
 * TypeError that names the place of what JSON does not have: NaN, infinities, BigInts, functions, symbols, cycles.
 */
export function toJson(value         )          {
  return isPlain(value, 0) ? value : convert(value, "output", []);
}

/** Whether it is a JSON value as it stands, which nearly everything is; cycles are told by their depth. */
function isPlain(value         , depth        )          {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true;
    case "number":
      return Number.isFinite(value);
    case "object":
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (depth >= MAX_DEPTH || "toJSON" in value) return false;
  if (Array.isArray(value)) {
    for (const item of value) if (!isPlain(item, depth + 1)) return false;
    return true;
  }
  const prototype          = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  for (const member of Object.values(value)) if (!isPlain(member, depth + 1)) return false;
  return true;
}

function convert(value         , path        , above                   )          {
  switch (typeof value) {
    case "undefined":
      return null;
    case "string":
    case "boolean":
      return value;
    case "number":
      if (Number.isFinite(value)) return value;
      throw new TypeError(`${path} is ${value}, which JSON does not have`);
    case "object":
      return value === null ? null : convertObject(value, path, above);
    default:
      throw new TypeError(`${path} is a ${typeof value}, which JSON does not have`);
  }
}

function convertObject(value        , path        , above                   )          {
  if (above.includes(value)) throw new TypeError(`${path} contains itself`);
  if (above.length >= MAX_DEPTH) throw new TypeError(`${path} is nested deeper than ${MAX_DEPTH}`);
  const inside = [...above, value];
  if ("toJSON" in value && typeof value.toJSON === "function") return convert(value.toJSON(), path, inside);
  if (Array.isArray(value)) return value.map((item, index) => convert(item, `${path}[${index}]`, inside));
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.map(([key, member]) => [key, convert(member, `${path}.${key}`, inside)]));
}
