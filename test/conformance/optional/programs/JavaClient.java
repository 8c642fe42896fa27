import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Apache Kafka's own client, driven by the tests: `produce TOPIC CODEC`, `consume TOPIC [RACK]`, `share TOPIC GROUP ENDS` or `admin TOPIC`. Records are lines, see outside-client.ts. */
public class JavaClient {
  static final PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);

  public static void main(String[] args) throws Exception {
    Properties common = new Properties();
    common.put("bootstrap.servers", args[0]);
    switch (args[1]) {
      case "produce" -> produce(common, args[2], args[3]);
      case "consume" -> consume(common, args[2], args.length > 3 ? args[3] : "anywhere");
      case "share" -> share(common, args[2], args[3], Integer.parseInt(args[4]));
      case "admin" -> admin(common, args[2]);
      default -> throw new IllegalArgumentException(args[1]);
    }
    out.flush();
  }

  static String text(byte[] bytes) {
    return bytes == null ? "-" : Base64.getEncoder().encodeToString(bytes);
  }

  static byte[] bytes(String text) {
    return text.equals("-") ? null : Base64.getDecoder().decode(text);
  }

  static void produce(Properties config, String topic, String codec) throws Exception {
    config.put("acks", "all");
    config.put("compression.type", codec);
    config.put("linger.ms", "5");
    try (var producer = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
      List<Future<RecordMetadata>> sent = new ArrayList<>();
      var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        String[] fields = line.split("\t", -1);
        var record = new ProducerRecord<>(topic, null, Long.parseLong(fields[0]), bytes(fields[1]), bytes(fields[2]));
        if (!fields[3].isEmpty())
          for (String pair : fields[3].split(",")) {
            int colon = pair.indexOf(':');
            record.headers().add(pair.substring(0, colon), bytes(pair.substring(colon + 1)));
          }
        sent.add(producer.send(record));
      }
      for (var future : sent) out.println(future.get().partition() + "\t" + future.get().offset());
    }
  }

  static void consume(Properties config, String topic, String rack) {
    config.put("auto.offset.reset", "none");
    config.put("client.rack", rack);
    try (var consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      var partitions = consumer.partitionsFor(topic).stream().map(p -> new TopicPartition(topic, p.partition())).toList();
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
      while (partitions.stream().anyMatch(p -> consumer.position(p) < ends.get(p)))
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(500))) print(record);
    }
  }

  /** As a member of a group with the new protocol, until it has seen as many records with the value "end". */
  static void share(Properties config, String topic, String group, int ends) throws InterruptedException {
    config.putAll(Map.of("group.protocol", "consumer", "group.id", group, "auto.offset.reset", "earliest", "enable.auto.commit", "false"));
    try (var consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      consumer.subscribe(List.of(topic));
      int seen = 0;
      while (seen < ends) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(500))) {
          print(record);
          if (new String(record.value(), StandardCharsets.UTF_8).equals("end")) seen++;
        }
        commit(consumer);
      }
    }
  }

  /**
   * Again for a moment where it fails: the member's epoch may just have risen (the other member left), and the client not have heard of it.
   * The client of 3.9 leaves that to the application.
   */
  static void commit(KafkaConsumer<byte[], byte[]> consumer) throws InterruptedException {
    for (int attempt = 1; ; attempt++) {
      try {
        consumer.commitSync();
        return;
      } catch (CommitFailedException failure) {
        if (attempt == 50) throw failure;
        Thread.sleep(20);
      }
    }
  }

  static void print(ConsumerRecord<byte[], byte[]> record) {
    var headers = new ArrayList<String>();
    for (Header header : record.headers()) headers.add(header.key() + ":" + text(header.value()));
    out.println(
        String.join("\t",
            List.of("" + record.partition(), "" + record.offset(), "" + record.timestamp(), text(record.key()), text(record.value()), String.join(",", headers))));
  }

  /** One line per question: its name, a tab, the answer. */
  static void admin(Properties config, String topic) throws Exception {
    try (Admin admin = Admin.create(config)) {
      DescribeClusterResult cluster = admin.describeCluster();
      answer("cluster", cluster.clusterId().get());
      answer("controller", cluster.controller().get().id());
      answer("nodes", cluster.nodes().get().stream().map(n -> n.id() + "@" + n.host() + ":" + n.port()).sorted().toList());
      var created = admin.createTopics(List.of(new NewTopic(topic, 3, (short) 3).configs(Map.of("retention.ms", "1234567"))));
      created.all().get();
      answer("created", created.numPartitions(topic).get() + " " + created.replicationFactor(topic).get() + " " + created.config(topic).get().get("retention.ms").value());
      answer("topicId", created.topicId(topic).get().equals(describe(admin, topic).topicId()));
      answer("again", failure(() -> admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all().get()));
      answer("tooMany", failure(() -> admin.createTopics(List.of(new NewTopic(topic + "-9", 1, (short) 9))).all().get()));
      admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).all().get();
      answer("listed", admin.listTopics().names().get().contains(topic));
      while (describe(admin, topic).partitions().size() < 4) Thread.sleep(20);
      for (var p : describe(admin, topic).partitions())
        answer("partition", p.partition() + " leader " + p.leader().id() + " replicas " + ids(p.replicas()) + " isr " + ids(p.isr()));
      configs(admin, topic);
      synonyms(admin, topic);
      offsets(admin, config, topic);
      logDirectories(admin, topic);
      answer("elect", failure(() -> admin.electLeaders(ElectionType.PREFERRED, java.util.Set.of(new TopicPartition(topic, 0))).all().get()));
      admin.deleteTopics(List.of(topic)).all().get();
      while (admin.listTopics().names().get().contains(topic)) Thread.sleep(20);
      answer("deleted", failure(() -> admin.deleteTopics(List.of(topic)).all().get()));
    }
  }

  static void logDirectories(Admin admin, String topic) throws Exception {
    var replica = new TopicPartitionReplica(topic, 0, 1);
    var directories = admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1);
    for (var one : directories.entrySet()) {
      var info = one.getValue().replicaInfos().get(new TopicPartition(topic, 0));
      var space = one.getValue().totalBytes().getAsLong() > one.getValue().usableBytes().getAsLong() && one.getValue().usableBytes().getAsLong() > 0;
      answer("logDir", one.getKey() + " " + one.getValue().error() + " " + space + " " + (info == null ? "-" : info.offsetLag() + " " + info.isFuture()));
    }
    var current = admin.describeReplicaLogDirs(List.of(replica)).all().get().get(replica).getCurrentReplicaLogDir();
    answer("replicaDir", current);
    admin.alterReplicaLogDirs(Map.of(replica, current)).all().get();
    answer("noSuchDir", failure(() -> admin.alterReplicaLogDirs(Map.of(replica, "/nowhere")).all().get()));
    var unknown = new TopicPartitionReplica(topic, 77, 1);
    answer("noSuchReplica", failure(() -> admin.alterReplicaLogDirs(Map.of(unknown, current)).all().get()));
  }

  static void configs(Admin admin, String topic) throws Exception {
    var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
    var change = new AlterConfigOp(new ConfigEntry("max.message.bytes", "54321"), AlterConfigOp.OpType.SET);
    admin.incrementalAlterConfigs(Map.of(resource, List.of(change))).all().get();
    ConfigEntry entry = null;
    do entry = admin.describeConfigs(List.of(resource)).all().get().get(resource).get("max.message.bytes");
    while (!entry.value().equals("54321"));
    answer("config", entry.value() + " " + entry.source() + " " + entry.isReadOnly());
    var wrong = new AlterConfigOp(new ConfigEntry("max.message.bytes", "many"), AlterConfigOp.OpType.SET);
    answer("badConfig", failure(() -> admin.incrementalAlterConfigs(Map.of(resource, List.of(wrong))).all().get()));
  }

  /** Where a value comes from, and where else it could: as kafka-configs.sh prints it. */
  static void synonyms(Admin admin, String topic) throws Exception {
    var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
    var all = new ConfigResource(ConfigResource.Type.BROKER, "");
    alter(admin, all, "message.max.bytes", "777777", AlterConfigOp.OpType.SET);
    var options = new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true);
    var size = admin.describeConfigs(List.of(resource), options).all().get().get(resource).get("max.message.bytes");
    answer("synonyms", size.synonyms().stream().map(one -> one.name() + "=" + one.value() + " " + one.source()).toList());
    answer("documented", size.documentation() != null && size.type() == ConfigEntry.ConfigType.INT);
    var defaults = admin.describeConfigs(List.of(all)).all().get().get(all);
    answer("ofAllBrokers", defaults.entries().stream().map(entry -> entry.name() + "=" + entry.value() + " " + entry.source()).toList());
    alter(admin, all, "message.max.bytes", null, AlterConfigOp.OpType.DELETE);
    alter(admin, resource, "cleanup.policy", "compact", AlterConfigOp.OpType.APPEND);
    var policy = admin.describeConfigs(List.of(resource)).all().get().get(resource).get("cleanup.policy");
    answer("appended", policy.value());
    alter(admin, resource, "cleanup.policy", null, AlterConfigOp.OpType.DELETE);
  }

  static void alter(Admin admin, ConfigResource resource, String name, String value, AlterConfigOp.OpType how) throws Exception {
    admin.incrementalAlterConfigs(Map.of(resource, List.of(new AlterConfigOp(new ConfigEntry(name, value), how)))).all().get();
  }

  static void offsets(Admin admin, Properties config, String topic) throws Exception {
    var partition = new TopicPartition(topic, 0);
    var producing = new Properties();
    producing.putAll(config);
    producing.putAll(Map.of("acks", "all"));
    long firstMs = 1_700_000_000_000L;
    try (var producer = new KafkaProducer<>(producing, new ByteArraySerializer(), new ByteArraySerializer())) {
      for (long ms : new long[] {firstMs, firstMs + 9000, firstMs + 1000}) producer.send(new ProducerRecord<>(topic, 0, ms, null, new byte[1])).get();
    }
    var specs = new TreeMap<String, OffsetSpec>(
        Map.of("earliest", OffsetSpec.earliest(), "latest", OffsetSpec.latest(), "max", OffsetSpec.maxTimestamp(), "time", OffsetSpec.forTimestamp(firstMs + 1)));
    for (var spec : specs.entrySet()) {
      var found = admin.listOffsets(Map.of(partition, spec.getValue())).partitionResult(partition).get();
      answer(spec.getKey(), found.offset() + " " + found.timestamp() + " " + found.leaderEpoch().orElse(-1));
    }
    try (var consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(partition, firstMs + 500)).get(partition);
      answer("consumerTime", found.offset() + " " + found.timestamp());
    }
  }

  static TopicDescription describe(Admin admin, String topic) throws Exception {
    return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
  }

  static List<Integer> ids(List<Node> nodes) {
    return nodes.stream().map(Node::id).toList();
  }

  interface Attempt {
    void run() throws Exception;
  }

  static String failure(Attempt attempt) throws Exception {
    try {
      attempt.run();
      return "none";
    } catch (ExecutionException error) {
      return error.getCause().getClass().getSimpleName();
    }
  }

  static void answer(String question, Object what) {
    out.println(question + "\t" + what);
  }
}
