                                                
import { asWritten } from "./places.js";

/** Length of the message of an error that a module throws; the rest is cut. @limit characters */
const MAX_MESSAGE = 4096;
/** Lines of the stack of an error that a module throws; the rest is cut. @limit lines */
const MAX_STACK_LINES = 10;
/** Length of the stack of an error that a module throws; the rest is cut. @limit characters */
const MAX_STACK = 4096;
/** Length of the name, and of the `code`, of an error that a module throws; the rest is cut. @limit characters */
const MAX_NAME = 128;

/** Whatever was thrown, as it can be sent. Looks at it with care: it may be made to throw again. */
export function toWire(thrown         )            {
  try {
    if (typeof thrown !== "object" || thrown === null) {
      return { name: "Error", message: cut(String(thrown), MAX_MESSAGE), stack: "" };
    }
    const { name, message, stack, code, callerFault } = thrown                           ;
    return {
      name: typeof name === "string" ? cut(name, MAX_NAME) : "Error",
      message: cut(typeof message === "string" ? message : describe(thrown), MAX_MESSAGE),
      stack:
        typeof stack === "string"
          ? cut(asWritten(stack.split("\n").slice(0, MAX_STACK_LINES).join("\n")), MAX_STACK)
          : "",
      ...(typeof code === "string" ? { code: cut(code, MAX_NAME) } : {}),
      ...(callerFault === true ? { callerFault: true } : {}),
    };
  } catch {
    return { name: "Error", message: "the module threw what cannot be looked at", stack: "" };
  }
}

function describe(thrown        )         {
  return JSON.stringify(thrown) ?? Object.prototype.toString.call(thrown);
}

const cut = (text        , length        )         => (text.length <= length ? text : `${text.slice(0, length - 1)}…`);

/** An error of the service, as the module sees it. */
export function fromWire({ name, message, code }           )        {
  const error = new Error(message);
  error.name = name;
  return Object.assign(error, code === undefined ? {} : { code });
}
