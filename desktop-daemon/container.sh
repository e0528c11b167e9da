#!/bin/sh
# Starts the daemon on a virtual screen, and x11vnc for whoever is on this machine. Arguments go to the daemon.
set -eu
root=$(dirname "$(dirname "$(readlink -f "$0")")")
home=${SKYAGENT_HOME:-$HOME/.skyagent}
mkdir -p "$home"
pipe=$(mktemp -u)
mkfifo -m 600 "$pipe"
node --max-semi-space-size=1 --optimize-for-size "$root/dist/desktop-daemon/main.js" \
  --json --virtual "${DESKTOP_SIZE:-1280x800}" --name "${DESKTOP_NAME:-desktop}" --token-file "$home/desktop/token" \
  --app 'terminal=xterm -name skyagent-terminal -u8 -fa Monospace -fs 11 -geometry 100x24 -T terminal -e sh' \
  --app xterm --app mousepad --app pcmanfm --app xcalc --folder "$HOME" "$@" >"$pipe" &
daemon=$!
trap 'kill "$daemon" 2>/dev/null || true' TERM INT
read -r line <"$pipe"
rm -f "$pipe"
value() { printf '%s' "$line" | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
if command -v x11vnc >/dev/null; then
  # On loopback alone: no other container, and no other machine, gets there.
  XAUTHORITY=$(value authority) x11vnc -display "$(value display)" -localhost -rfbport "${VNC_PORT:-5900}" \
    -forever -shared -nopw -quiet -bg -o /dev/null >/dev/null
fi
wait "$daemon"
