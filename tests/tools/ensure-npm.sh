#!/bin/sh
# The npm packages of the tests, from their lock, into tests/tools/node/node_modules. Installs when the lock is newer.
set -eu
cd "$(dirname "$0")/node"
[ node_modules/.package-lock.json -nt package-lock.json ] && exit 0
command -v npm >/dev/null 2>&1 || { echo "npm was not found. Run: apt-get update && apt-get install -y nodejs npm" >&2; exit 1; }
echo "Installing the npm packages of the tests"
npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
touch node_modules/.package-lock.json
