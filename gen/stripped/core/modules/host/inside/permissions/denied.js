/** Creates an error like those of Node's permission model. */
export function denied(what        , permission        , resource = "")        {
  return Object.assign(new Error(`Access to this API has been restricted: ${what}`), {
    code: "ERR_ACCESS_DENIED",
    permission,
    resource,
  });
}
