#!/bin/sh
# `zkServer.sh status`, as far as a health check needs it.
[ "${1:-}" = status ] || { echo "only: status" >&2; exit 2; }
mode=$(echo srvr | nc -q 1 -w 2 127.0.0.1 2181 | sed -n 's/^Mode: //p')
[ -n "$mode" ] || { echo "not serving"; exit 1; }
echo "Mode: $mode"
