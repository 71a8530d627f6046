#!/bin/sh
# What the tests need beside Python: Chromium with a font, PostgreSQL, npm; `bench` needs wrk too, `spark` Java.
# Installs what is missing where that is allowed, else says how.
set -eu

missing=""
command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || missing="chromium fonts-dejavu"
command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
command -v npm >/dev/null 2>&1 || missing="$missing nodejs npm"
if [ "${1:-}" = bench ] && ! command -v wrk >/dev/null 2>&1; then
    missing="$missing wrk"
fi
if [ "${1:-}" = spark ] && ! command -v java >/dev/null 2>&1; then
    missing="$missing default-jre-headless"
fi
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "Not found: $missing. Install these and put their programs on PATH." >&2
    exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
    sudo=""
elif sudo -n true 2>/dev/null; then
    sudo="sudo -n"
else
    echo "Not found: $missing. Run: sudo apt-get update && sudo apt-get install -y $missing" >&2
    exit 1
fi
echo "Installing $missing"
$sudo apt-get update -qq
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
