#!/usr/bin/env bash
# Builds stand-ins for the public images that our compose files use, under the same tags, from Debian's packages, npm and, where there is
# Go, its modules: for machines that cannot pull images. Needs root, debootstrap and a Docker daemon. Images that are there already are left
# alone.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
suite=bookworm
node_tag=node:24-bookworm-slim
zookeeper_tag=zookeeper:3.8
toxiproxy_version=2.12.0
toxiproxy_tag=ghcr.io/shopify/toxiproxy:$toxiproxy_version

have() { docker image inspect "$1" >/dev/null 2>&1; }
say() { printf 'offline-images: %s\n' "$*" >&2; }

if [ "$(id -u)" -ne 0 ]; then say "run as root (debootstrap makes device nodes)"; exit 1; fi
for tool in docker debootstrap npm; do
  command -v "$tool" >/dev/null || { say "missing: $tool (apt-get install docker.io debootstrap npm)"; exit 1; }
done
docker info >/dev/null 2>&1 || { say "no Docker daemon answers; start dockerd first"; exit 1; }
if have "$node_tag" && have "$zookeeper_tag" && have "$toxiproxy_tag"; then say "nothing to do"; exit 0; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# 1. a bare Debian, with this machine's certificates and package sources, so that containers reach what this machine reaches
base=ottla-offline-base:$suite
if ! have "$base"; then
  say "building a Debian $suite base (under a minute)"
  debootstrap --variant=minbase --include=ca-certificates "$suite" "$work/root" >"$work/debootstrap.log" 2>&1 || { tail -n 5 "$work/debootstrap.log" >&2; exit 1; }
  cp /etc/ssl/certs/ca-certificates.crt "$work/root/etc/ssl/certs/ca-certificates.crt"
  if [ -d /etc/apt/apt.conf.d ]; then cp -r /etc/apt/apt.conf.d/. "$work/root/etc/apt/apt.conf.d/"; fi
  rm -f "$work/root/etc/apt/apt.conf.d/"*docker*
  rm -rf "$work/root/var/cache/apt/archives/"*.deb "$work/root/usr/share/doc" "$work/root/usr/share/locale"
  tar -C "$work/root" -c . | docker import - "$base" >/dev/null
fi

# 2. Node 24 and npm, from npm
if ! have "$node_tag"; then
  say "building $node_tag"
  mkdir -p "$work/node/npm"
  node_version=$(node -p "require('$here/../package.json').devDependencies.node")
  case $(uname -m) in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; *) say "no Node package for $(uname -m)"; exit 1 ;; esac
  (cd "$work/node" && npm pack --silent "node-linux-$arch@$node_version" >/dev/null && tar -xzf node-linux-*.tgz && mv package/bin/node node && rm -rf package ./*.tgz)
  (cd "$work/node" && npm pack --silent npm@11 >/dev/null && tar -xzf npm-*.tgz && rmdir npm && mv package npm && rm -f ./*.tgz)
  if [ -f /etc/npmrc ]; then cp /etc/npmrc "$work/node/npmrc"; else : >"$work/node/npmrc"; fi
  cp "$here/offline/node.Dockerfile" "$work/node/Dockerfile"
  docker build --quiet --tag "$node_tag" --build-arg BASE="$base" "$work/node" >/dev/null
fi

# 3. ZooKeeper 3.8 from Debian, with the environment variables of the official image
if ! have "$zookeeper_tag"; then
  say "building $zookeeper_tag"
  mkdir -p "$work/zookeeper"
  cp "$here/offline/zookeeper.Dockerfile" "$work/zookeeper/Dockerfile"
  cp "$here/offline/zookeeper-entrypoint.sh" "$here/offline/zkServer.sh" "$work/zookeeper/"
  docker build --quiet --tag "$zookeeper_tag" --build-arg BASE="$base" "$work/zookeeper" >/dev/null
fi
say "ready: $node_tag, $zookeeper_tag"

# 4. Toxiproxy: docker-compose.chaos.yml alone needs it, and all else works without
build_toxiproxy() {
  local module=github.com/Shopify/toxiproxy/v2
  mkdir -p "$work/toxiproxy"
  (cd "$work/toxiproxy" && export CGO_ENABLED=0 GOBIN="$work/toxiproxy" && for program in server cli; do
    go install -ldflags "-s -w -X $module.Version=$toxiproxy_version" "$module/cmd/$program@v$toxiproxy_version" || exit 1
  done) >"$work/toxiproxy.log" 2>&1 || { tail -n 3 "$work/toxiproxy.log" >&2; return 1; }
  cp "$here/offline/toxiproxy.Dockerfile" "$work/toxiproxy/Dockerfile"
  docker build --quiet --tag "$toxiproxy_tag" "$work/toxiproxy" >/dev/null
}
if ! have "$toxiproxy_tag"; then
  if command -v go >/dev/null; then say "building $toxiproxy_tag"; build_toxiproxy || say "not built: $toxiproxy_tag"
  else say "not built: $toxiproxy_tag (it takes Go)"; fi
fi
