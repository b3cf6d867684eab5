import { messageIn } from "./json.js";
import { asWritten } from "./places.js";
import { isError, nameOf,             shapeOf } from "./shapes.js";

/** Limits of a conversion by `toReadable`. */
                         
                            
                         
                                       
                         
                                                         
                           
                                                    
                              
 

/** Longest BigInt, in bits, whose digits are shown. */
const SHOWN_BITS = 4096;

/**
 * Converts any value to JSON for a reader, such as in a log. A value that JSON does not have becomes a text in brackets
 * that says what it is, such as `[function f]`. Parts beyond the bounds are cut. Never throws.
 */
export function toReadable(whole         , bounds        )          {
  let { parts, characters } = bounds;
  const above = new Set        ();

  const text = (value        )         => {
    const kept = value.length <= characters ? value : `${value.slice(0, characters)}…`;
    characters -= Math.min(value.length, characters);
    return kept.toWellFormed();
  };

  const convert = (value         , key        )          => {
    parts -= 1;
    switch (typeof value) {
      case "string":
        return text(value);
      case "number":
        return Number.isFinite(value) ? value : String(value);
      case "bigint":
        return BigInt.asIntN(SHOWN_BITS, value) === value ? text(String(value)) : "[bigint]";
      case "boolean":
        return value;
      case "undefined":
        return null;
      case "object":
        return value === null ? null : convertObject(value, key);
      case "symbol":
        return text(`[${String(value)}]`);
      default:
        return text(`[function ${nameOfFunction(value)}]`);
    }
  };

  const convertObject = (value        , key        )          => {
    if (above.has(value)) return "[circular]";
    if (above.size >= bounds.depth || parts <= 0 || characters <= 0) return `[${nameOf(value)}]`;
    above.add(value);
    try {
      return isError(value) ? convertMembers(errorShape(value)) : convertShape(value, shapeOf(value, key), key);
    } catch (thrown) {
      return text(`[cannot be read: ${messageIn(thrown)}]`);
    } finally {
      above.delete(value);
    }
  };

  const convertShape = (value        , shape       , key        )          => {
    switch (shape.is) {
      case "value":
        return convert(shape.value(), key);
      case "list":
        return convertItems(shape.items);
      case "entries":
        return convertItems(shape.entries);
      case "members":
        return convertMembers(shape);
      default:
        return shape.problem === "is an invalid date" ? "[invalid date]" : `[${nameOf(value)}]`;
    }
  };

  const convertItems = (items                   )            => {
    const list            = [];
    for (const item of items) {
      if (list.length >= bounds.members || parts <= 0 || characters <= 0) {
        list.push("…");
        break;
      }
      list.push(convert(item, String(list.length)));
    }
    return list;
  };

  const convertMembers = ({ names, get }                                                          )          => {
    const members                      = [];
    for (const name of names) {
      if (members.length >= bounds.members || parts <= 0 || characters <= 0) {
        members.push(["…", "…"]);
        break;
      }
      let converted         ;
      try {
        const member = get(name);
        if (member === undefined) continue;
        converted = convert(member, name);
      } catch (thrown) {
        converted = text(`[cannot be read: ${messageIn(thrown)}]`);
      }
      members.push([text(name), converted]);
    }
    return Object.fromEntries(members);
  };

  return convert(whole, "");
}

/** An error with its stack, which JSON would omit. */
function errorShape(error       )                                    {
  const members = error                                                ;
  const known = ["name", "message", "stack", "code", "cause", "errors"].filter((name) => name in error);
  const get = (name        )          => {
    const member = members[name];
    return name === "stack" && typeof member === "string" ? asWritten(member) : member;
  };
  return { is: "members", names: new Set([...known, ...Object.keys(error)]), get };
}

function nameOfFunction(value         )         {
  try {
    return String((value                               ).name ?? "").slice(0, 64);
  } catch {
    return "";
  }
}
