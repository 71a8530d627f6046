#!/bin/sh
# The browser test needs Chromium with a font. Installs them where that is allowed, else says how.
set -eu

packages="chromium fonts-dejavu"

if command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1; then
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "Chromium was not found. Install it and put it on PATH as chromium." >&2
    exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
    sudo=""
elif sudo -n true 2>/dev/null; then
    sudo="sudo -n"
else
    echo "Chromium was not found. Run: sudo apt-get update && sudo apt-get install -y $packages" >&2
    exit 1
fi
echo "Installing $packages"
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
