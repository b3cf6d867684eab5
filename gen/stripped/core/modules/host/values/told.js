import { messageIn } from "./json.js";
import { asWritten } from "./places.js";
import { isError, nameOf,             shapeOf } from "./shapes.js";

/** How much of a value is told. */
                         
                           
                         
                             
                         
                                                      
                           
                                
                              
 

/** Bits of a BigInt that is told digit by digit. */
const TOLD_BITS = 4096;

/**
 * Anything at all as JSON that tells a reader of it: where JSON has nothing for a part, a text in brackets says what is
 * there. What is beyond the bounds is cut. Never throws.
 */
export function toTold(whole         , bounds        )          {
  let { parts, characters } = bounds;
  const above = new Set        ();

  const text = (value        )         => {
    const kept = value.length <= characters ? value : `${value.slice(0, characters)}…`;
    characters -= Math.min(value.length, characters);
    return kept.toWellFormed();
  };

  const tell = (value         , key        )          => {
    parts -= 1;
    switch (typeof value) {
      case "string":
        return text(value);
      case "number":
        return Number.isFinite(value) ? value : String(value);
      case "bigint":
        return BigInt.asIntN(TOLD_BITS, value) === value ? text(String(value)) : "[bigint]";
      case "boolean":
        return value;
      case "undefined":
        return null;
      case "object":
        return value === null ? null : tellObject(value, key);
      case "symbol":
        return text(`[${String(value)}]`);
      default:
        return text(`[function ${nameOfFunction(value)}]`);
    }
  };

  const tellObject = (value        , key        )          => {
    if (above.has(value)) return "[circular]";
    if (above.size >= bounds.depth || parts <= 0 || characters <= 0) return `[${nameOf(value)}]`;
    above.add(value);
    try {
      return isError(value) ? tellMembers(errorShape(value)) : tellShape(value, shapeOf(value, key), key);
    } catch (thrown) {
      return text(`[cannot be read: ${messageIn(thrown)}]`);
    } finally {
      above.delete(value);
    }
  };

  const tellShape = (value        , shape       , key        )          => {
    switch (shape.is) {
      case "value":
        return tell(shape.value(), key);
      case "list":
        return tellItems(shape.items);
      case "entries":
        return tellItems(shape.entries);
      case "members":
        return tellMembers(shape);
      default:
        return shape.problem === "is an invalid date" ? "[invalid date]" : `[${nameOf(value)}]`;
    }
  };

  const tellItems = (items                   )            => {
    const list            = [];
    for (const item of items) {
      if (list.length >= bounds.members || parts <= 0 || characters <= 0) {
        list.push("…");
        break;
      }
      list.push(tell(item, String(list.length)));
    }
    return list;
  };

  const tellMembers = ({ names, get }                                                          )          => {
    const members                      = [];
    for (const name of names) {
      if (members.length >= bounds.members || parts <= 0 || characters <= 0) {
        members.push(["…", "…"]);
        break;
      }
      let told         ;
      try {
        const member = get(name);
        if (member === undefined) continue;
        told = tell(member, name);
      } catch (thrown) {
        told = text(`[cannot be read: ${messageIn(thrown)}]`);
      }
      members.push([text(name), told]);
    }
    return Object.fromEntries(members);
  };

  return tell(whole, "");
}

/** An error with its stack, in whichever order it has the rest. */
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
