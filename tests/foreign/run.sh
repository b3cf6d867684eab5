#!/usr/bin/env bash
# Proves that clients in another language work with nothing but our proto files and that language's own packages.
# Needs Python 3.11 or newer with venv. What is missing is a failure, never a skip.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PWD/node_modules/.bin:$PATH"

fail() {
  echo "test:foreign: $*" >&2
  exit 1
}
command -v python3 >/dev/null || fail "python3 is missing"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Python 3.11 or newer is needed"
python3 -c 'import venv, ensurepip' 2>/dev/null || fail "Python's venv is missing (Debian: python3-venv)"
command -v curl >/dev/null || fail "curl is missing"
command -v buf >/dev/null || fail "buf is missing; run npm ci"

# One environment for each Python and each set of pinned packages; complete once its mark is there.
requirements=tests/foreign/requirements.txt
key="$(python3 - "$requirements" <<'PYTHON'
import hashlib, sys
print(hashlib.sha256(open(sys.argv[1], "rb").read() + sys.executable.encode() + sys.version.encode()).hexdigest()[:16])
PYTHON
)"
venv="${XDG_CACHE_HOME:-${HOME:-${TMPDIR:-/tmp}}/.cache}/helios/foreign-$key"
if [[ ! -e "$venv/complete" ]]; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"
  touch "$venv/complete"
fi

vitest run --config tests/foreign/vitest.config.ts

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

# google.rpc, health and reflection come from their Python packages. For buf.validate there is no package with
# google.protobuf classes, so its code is generated from our subset.
(cd proto && find helios buf -name '*.proto' -print0) |
  xargs -0 "$venv/bin/python" -m grpc_tools.protoc -I proto --python_out="$scratch" --grpc_python_out="$scratch"
buf build --as-file-descriptor-set -o "$scratch/image.binpb"

PYTHONPATH="$scratch" PYTHONDONTWRITEBYTECODE=1 FOREIGN_IMAGE="$scratch/image.binpb" \
  node tests/foreign/with-server.ts "$venv/bin/python" -m unittest discover --start-directory tests/foreign/python --verbose

PATH="$venv/bin:$PATH" node tests/foreign/with-server.ts bash tests/foreign/fuzz.sh
