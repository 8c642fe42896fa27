#!/bin/sh
# Writes zoo.cfg from the official image's environment variables, then becomes the server.
set -eu
config=/data/zoo.cfg
{
  echo "dataDir=/data"
  echo "dataLogDir=/datalog"
  echo "tickTime=${ZOO_TICK_TIME:-2000}"
  echo "initLimit=${ZOO_INIT_LIMIT:-5}"
  echo "syncLimit=${ZOO_SYNC_LIMIT:-2}"
  echo "maxClientCnxns=${ZOO_MAX_CLIENT_CNXNS:-60}"
  echo "autopurge.snapRetainCount=${ZOO_AUTOPURGE_SNAPRETAINCOUNT:-3}"
  echo "autopurge.purgeInterval=${ZOO_AUTOPURGE_PURGEINTERVAL:-0}"
  echo "standaloneEnabled=${ZOO_STANDALONE_ENABLED:-true}"
  echo "admin.enableServer=false"
  echo "4lw.commands.whitelist=${ZOO_4LW_COMMANDS_WHITELIST:-srvr}"
  if [ -n "${ZOO_SERVERS:-}" ]; then
    for server in $ZOO_SERVERS; do echo "$server"; done
  else
    echo "clientPort=2181"
  fi
} >"$config"
echo "${ZOO_MY_ID:-1}" >/data/myid
exec java -cp "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar" -Xmx256m \
  org.apache.zookeeper.server.quorum.QuorumPeerMain "$config"
