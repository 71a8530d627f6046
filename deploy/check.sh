#!/bin/sh
# Lints what is in this folder, with tools of an environment of their own: make deploy-check
set -eu
cd "$(dirname "$0")"
tools=${1:?the bin folder of the tools}

"$tools/hadolint" --ignore DL3042 Containerfile
"$tools/check-jsonschema" --builtin-schema vendor.compose-spec compose.yaml
if command -v systemd-analyze >/dev/null 2>&1; then
    # The program is not installed where the unit expects it: a stand-in is put there for the look.
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
    sed 's|/opt/icans-cds/bin/icans-cds|/bin/true|; s|^EnvironmentFile=|EnvironmentFile=-|' icans-cds.service >"$root/icans-cds.service"
    systemd-analyze verify --man=no "$root/icans-cds.service"
    systemd-analyze security --offline=yes --threshold=20 "$root/icans-cds.service" >/dev/null
else
    echo "systemd-analyze was not found: the unit was not looked at" >&2
    exit 1
fi
echo "deploy: Containerfile, compose.yaml and icans-cds.service are clean"
