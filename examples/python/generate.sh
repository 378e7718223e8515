#!/bin/sh
# Generates the stubs of the contract into gen/ with grpcio-tools. PYTHON names the interpreter; default python3.
set -eu
cd "$(dirname "$0")"
rm -rf gen
mkdir gen
PROTO=../../proto
# The contract's rules import buf/validate/validate.proto, so its module is generated and importable too.
"${PYTHON:-python3}" -m grpc_tools.protoc -I "$PROTO" --python_out=gen --grpc_python_out=gen \
  "$PROTO"/kavach/v1/*.proto "$PROTO"/buf/validate/validate.proto
