#!/usr/bin/env bash
# Lets a fuzzer that knows the API by docs/openapi.json alone loose on a server; run by run.sh, in its Python environment.
# No answer may be a failure of the server, or be other than the document says.
set -euo pipefail
fuzz() {
  # One worker: Python 3.11 counts the depth of its parser for all threads at once, and fails where two parse (CPython 106905).
  schemathesis run docs/openapi.json --url "http://$FOREIGN_ADDRESS" --seed 20261123 --workers 1 --phases coverage,fuzzing \
    --max-examples 10 --continue-on-failure --warnings off --request-timeout 30 "$@"
}
checks=response_schema_conformance,content_type_conformance,status_code_conformance
fuzz --checks "not_a_server_error,unsupported_method,allow_header_conformance,$checks" --exclude-path-regex '/(watch|events|stream|wait)$'
# What goes on until its caller has had enough, which is an error of its own.
fuzz --checks "$checks" --include-path-regex '/(watch|events|stream|wait)$' --header 'connect-timeout-ms: 300'
