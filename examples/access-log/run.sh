#!/usr/bin/env bash
# A real nginx's access log, shipped into a replicated topic while a leader is killed and comes back. See README.md.
# REQUESTS, ADDRESSES, RATE (requests per second) and PORT (of the first broker) may be set in the environment.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
export PATH="$root/node_modules/.bin:$PATH:/usr/sbin"
requests=${REQUESTS:-20000} addresses=${ADDRESSES:-16} rate=${RATE:-2000} port=${PORT:-19092}
bootstrap=127.0.0.1:$port,127.0.0.1:$((port + 1)),127.0.0.1:$((port + 2))
ottla=$root/bin/ottla # in the background by its path: a function would be a shell in between, and kill would reach that
ottla() { "$ottla" "$@"; }
say() { printf '%6.1f s  %s\n' "$(node -p "(Date.now() - $started) / 1000")" "$*"; }
json() { node -e 'let t = ""; process.stdin.on("data", (d) => (t += d)).on("end", () => console.log(eval(`(j) => ${process.argv[1]}`)(JSON.parse(t))))' "$1"; }
wait_for() { # what, seconds, command...
  local what=$1 ends=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < ends)) || { echo "not in time: $what" >&2; exit 1; }
    sleep 0.1
  done
}
for tool in nginx kcat node; do
  command -v "$tool" >/dev/null || { echo "$tool is missing: apt-get install nginx-light kcat, and npm ci" >&2; exit 1; }
done

work=$(mktemp -d "${TMPDIR:-/tmp}/ottla-access-log.XXXXXX")
started=$(node -p 'Date.now()')
pids=()
clean_up() {
  local status=$?
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  if ((status == 0)); then rm -rf "$work"; else echo "everything is kept in $work" >&2; fi
}
trap clean_up EXIT

# --- a cluster, a topic, a web server ---
"$ottla" up --no-restart --port "$port" --data "$work/cluster" --json >"$work/up.json" 2>"$work/up.err" &
pids+=($!)
up_pid=$!
cluster_is_up() { grep -q bootstrap "$work/up.json" || ! kill -0 "$up_pid"; }
wait_for "the cluster" 60 cluster_is_up
kill -0 "$up_pid" 2>/dev/null || { cat "$work/up.err" >&2; exit 1; }
ottla topic create access --partitions 6 --replication-factor 3 --config min.insync.replicas=2 --bootstrap "$bootstrap" >/dev/null
say "three brokers, topic access with 6 partitions and 3 copies"

web_port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
mkdir -p "$work/web/tmp"
sed "s/@PORT@/$web_port/" "$here/nginx.conf" >"$work/web/nginx.conf"
as_user=()
if ((EUID == 0)); then as_user=(-g "user root;"); fi # its workers must be able to open the log again when it is rotated
nginx -p "$work/web" -c nginx.conf -e error.log "${as_user[@]}" &
nginx_pid=$!
pids+=("$nginx_pid")
wait_for "nginx" 10 test -s "$work/web/nginx.pid"

# --- its access log, as it grows ---
"$ottla" produce access --follow "$work/web/access.log" --acks all --key-separator " " --keep-key --codec lz4 \
  --bootstrap "$bootstrap" --json >"$work/summary.json" &
produce_pid=$!
pids+=("$produce_pid")
node "$here/load.ts" "$web_port" "$requests" "$addresses" "$rate" >"$work/load.txt" &
load_pid=$!
pids+=("$load_pid")
say "nginx on port $web_port under load, its access log followed"

lines_written() { cat "$work"/web/access.log* | wc -l; }
at_least() { (($(lines_written) >= $1)); }

# --- the leader of partition 0 dies, the log is rotated, the leader comes back ---
wait_for "a third of the lines" 120 at_least $((requests / 3))
leader=$(ottla topic describe access --bootstrap "$bootstrap" --json | json 'j[0].partitions[0].leader')
leader_pid=$(json "j.brokers.find((b) => b.id === $leader).pid" <"$work/up.json")
kill -KILL "$leader_pid"
say "killed broker $leader (pid $leader_pid), the leader of partition 0, after $(lines_written) lines"

wait_for "half of the lines" 120 at_least $((requests / 2))
mv "$work/web/access.log" "$work/web/access.log.1"
kill -USR1 "$nginx_pid"
say "rotated the access log after $(lines_written) lines"

wait_for "two thirds of the lines" 120 at_least $((requests * 2 / 3))
"$ottla" broker --config "$work/cluster/broker-$leader/server.properties" >"$work/broker-again.log" 2>&1 &
pids+=($!)
say "started broker $leader again"

wait "$load_pid"
say "$(cat "$work/load.txt")"
kill -QUIT "$nginx_pid"
wait "$nginx_pid" || true
kill -TERM "$produce_pid"
wait "$produce_pid"
say "shipped: $(json '`${j.lines} lines, ${j.acknowledged} acknowledged, ${j.retried} sent more than once`' <"$work/summary.json")"

whole_again() { ottla topic describe access --bootstrap "$bootstrap" --json | json 'j[0].partitions.every((p) => p.isr.length === 3) || process.exit(1)'; }
wait_for "all copies in sync" 60 whole_again
say "all copies are in sync again"

# --- read back, twice ---
ottla consume access --from beginning --until-end --format '%k\t%v' --bootstrap "$bootstrap" >"$work/by-ottla.txt"
kcat -C -b "$bootstrap" -t access -o beginning -e -q -f '%k\t%s\n' >"$work/by-kcat.txt"
logs=("$work/web/access.log.1" "$work/web/access.log")
node "$here/compare.ts" "ottla consume" "$work/by-ottla.txt" "$work/summary.json" "${logs[@]}"
node "$here/compare.ts" "kcat" "$work/by-kcat.txt" "$work/summary.json" "${logs[@]}"
say "every line that nginx wrote is there exactly once, each address's in order"
