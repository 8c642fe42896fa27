ARG BASE
FROM $BASE
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends default-jre-headless zookeeper netcat-openbsd \
 && rm -rf /var/lib/apt/lists/* /usr/share/doc \
 && (id zookeeper >/dev/null 2>&1 || useradd --system --uid 1000 zookeeper) \
 && mkdir -p /data /datalog && chown zookeeper /data /datalog
COPY zookeeper-entrypoint.sh zkServer.sh /usr/local/bin/
RUN chmod 755 /usr/local/bin/zookeeper-entrypoint.sh /usr/local/bin/zkServer.sh
USER zookeeper
VOLUME ["/data", "/datalog"]
EXPOSE 2181 2888 3888
ENTRYPOINT ["/usr/local/bin/zookeeper-entrypoint.sh"]
