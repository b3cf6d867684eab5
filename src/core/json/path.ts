/** The path of a part of a JSON document: member names and array positions, from the top. */
export type JsonPath = readonly (string | number)[];

/** Formats a path for people, such as `modules[2].config["a b"]`. The document itself is `(top level)`. */
export function pathText(path: JsonPath): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (!/^[A-Za-z0-9_:-]+$/.test(step)) text += `[${JSON.stringify(step)}]`;
    else text += text === "" ? step : `.${step}`;
  }
  return text === "" ? "(top level)" : text;
}
