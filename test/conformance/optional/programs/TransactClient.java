import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.AbortTransactionSpec;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Transactions by Apache Kafka's own client, 3.9 and 4, driven by the tests: `transactions ID TOPIC`, `read ISOLATION TOPIC`,
 * `process ID GROUP INPUT OUTPUT`, `fence ID TOPIC`, `hold ID TOPIC` or `admin ID TOPIC`. What goes in and out: see transaction-programs.ts.
 */
public class TransactClient {
  static final PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
  static final int answerMaxMs = 30_000;

  public static void main(String[] args) throws Exception {
    switch (args[1]) {
      case "transactions" -> transactions(args[0], args[2], args[3]);
      case "read" -> read(args[0], args[2], args[3]);
      case "process" -> process(args[0], args[2], args[3], args[4], args[5]);
      case "fence" -> fence(args[0], args[2], args[3]);
      case "hold" -> hold(args[0], args[2], args[3]);
      case "admin" -> admin(args[0], args[2], args[3]);
      default -> throw new IllegalArgumentException(args[1]);
    }
  }

  static KafkaProducer<String, String> producerOf(String bootstrap, String id) {
    var config = new Properties();
    config.putAll(
        Map.of("bootstrap.servers", bootstrap, "transactional.id", id, "transaction.timeout.ms", "20000", "max.block.ms", "" + answerMaxMs,
            "delivery.timeout.ms", "" + answerMaxMs, "request.timeout.ms", "5000", "linger.ms", "0"));
    return new KafkaProducer<>(config, new StringSerializer(), new StringSerializer());
  }

  static KafkaConsumer<String, String> consumerOf(String bootstrap, Map<String, String> settings) {
    var config = new Properties();
    config.putAll(Map.of("bootstrap.servers", bootstrap, "enable.auto.commit", "false", "auto.offset.reset", "earliest"));
    config.putAll(settings);
    return new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
  }

  static BufferedReader input() {
    return new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
  }

  /** Each record is acknowledged before the next one goes, so that those of several producers come to lie among each other. */
  static void transactions(String bootstrap, String id, String topic) throws Exception {
    try (var producer = producerOf(bootstrap, id)) {
      producer.initTransactions();
      var lines = input();
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        String[] fields = line.split("\t");
        producer.beginTransaction();
        for (int i = 1; i < fields.length; i++) {
          int colon = fields[i].indexOf(':');
          producer.send(new ProducerRecord<>(topic, Integer.parseInt(fields[i].substring(0, colon)), null, fields[i].substring(colon + 1))).get();
        }
        if (fields[0].equals("commit")) producer.commitTransaction();
        else producer.abortTransaction();
        out.println(fields[0]);
      }
    }
  }

  static void read(String bootstrap, String isolation, String topic) {
    try (var consumer = consumerOf(bootstrap, Map.of("isolation.level", isolation))) {
      var partitions = consumer.partitionsFor(topic).stream().map(p -> new TopicPartition(topic, p.partition())).toList();
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
      while (partitions.stream().anyMatch(p -> consumer.position(p) < ends.get(p)))
        for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200)))
          out.println(record.partition() + "\t" + record.offset() + "\t" + record.value());
    }
  }

  static volatile boolean stopping = false;

  /** Until its input ends. What cannot go on is begun anew, with the same id. */
  static void process(String bootstrap, String id, String group, String from, String to) throws Exception {
    var untilEnd = new Thread(() -> {
      try {
        while (System.in.read() >= 0) {}
      } catch (java.io.IOException failure) {
        // as an end
      }
      stopping = true;
    });
    untilEnd.setDaemon(true);
    untilEnd.start();
    while (!stopping)
      try (var producer = producerOf(bootstrap, id);
          var consumer = consumerOf(bootstrap,
              Map.of("group.id", group, "isolation.level", "read_committed", "max.poll.records", "10", "session.timeout.ms", "6000", "heartbeat.interval.ms", "500"))) {
        producer.initTransactions();
        consumer.subscribe(List.of(from));
        while (!stopping) processSome(producer, consumer, consumer.poll(Duration.ofMillis(200)), to);
      } catch (KafkaException failure) {
        System.err.println("anew after " + failure);
        Thread.sleep(100);
      }
  }

  static void processSome(KafkaProducer<String, String> producer, KafkaConsumer<String, String> consumer, ConsumerRecords<String, String> records, String to) {
    if (records.isEmpty()) return;
    producer.beginTransaction();
    try {
      var positions = new HashMap<TopicPartition, OffsetAndMetadata>();
      for (var record : records) {
        producer.send(new ProducerRecord<>(to, record.partition(), null, "of " + record.value()));
        positions.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
      }
      producer.sendOffsetsToTransaction(positions, consumer.groupMetadata());
      producer.commitTransaction();
      out.println("processed\t" + records.count());
    } catch (KafkaException failure) {
      System.err.println("aborts after " + failure);
      producer.abortTransaction(); // fails where the producer must go
      Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(consumer.assignment());
      for (var partition : consumer.assignment()) {
        if (committed.get(partition) == null) consumer.seekToBeginning(List.of(partition));
        else consumer.seek(partition, committed.get(partition));
      }
    }
  }

  static void fence(String bootstrap, String id, String topic) throws Exception {
    try (var first = producerOf(bootstrap, id); var second = producerOf(bootstrap, id)) {
      first.initTransactions();
      first.beginTransaction();
      first.send(new ProducerRecord<>(topic, 0, null, "of the fenced one")).get();
      second.initTransactions();
      answer("first", failure(first::commitTransaction));
      second.beginTransaction();
      second.send(new ProducerRecord<>(topic, 0, null, "of the second one")).get();
      second.commitTransaction();
      answer("second", "commit");
    }
  }

  /** A transaction that stays open until its input ends, and is committed then. */
  static void hold(String bootstrap, String id, String topic) throws Exception {
    try (var producer = producerOf(bootstrap, id)) {
      producer.initTransactions();
      producer.beginTransaction();
      long offset = producer.send(new ProducerRecord<>(topic, 0, null, "held")).get().offset();
      answer("open", "" + offset);
      while (System.in.read() >= 0) {}
      answer("commit", failure(producer::commitTransaction));
    }
  }

  static void admin(String bootstrap, String id, String topic) throws Exception {
    var partition = new TopicPartition(topic, 0);
    try (var admin = Admin.create(Map.of("bootstrap.servers", bootstrap)); var producer = producerOf(bootstrap, id)) {
      answer("version", "" + admin.describeFeatures().featureMetadata().get().finalizedFeatures().get("transaction.version"));
      producer.initTransactions();
      for (int i = 0; i < 3; i++) {
        producer.beginTransaction();
        producer.send(new ProducerRecord<>(topic, 0, null, "one " + i)).get();
        answer("open", "" + (producing(admin, partition).currentTransactionStartOffset().isPresent()));
        answer("epoch", "" + describe(admin, id, "Ongoing"));
        producer.commitTransaction();
        describe(admin, id, "CompleteCommit");
      }
      producer.beginTransaction();
      producer.send(new ProducerRecord<>(topic, 0, null, "aborted by an operator")).get();
      listed(admin, id);
      ProducerState state = producing(admin, partition);
      answer("start", "" + state.currentTransactionStartOffset().getAsLong());
      admin.abortTransaction(new AbortTransactionSpec(partition, state.producerId(), (short) state.producerEpoch(), state.coordinatorEpoch().orElse(0))).all().get();
      answer("openAfterAbort", "" + admin.describeProducers(List.of(partition)).partitionResult(partition).get().activeProducers().stream()
          .anyMatch(one -> one.producerId() == state.producerId() && one.currentTransactionStartOffset().isPresent()));
      answer("endAfterAbort", failure(producer::abortTransaction));
      describe(admin, id, "CompleteAbort");
      answer("unknown", failure(() -> admin.describeTransactions(List.of("nobody")).description("nobody").get()));
    }
  }

  static void listed(Admin admin, String id) throws Exception {
    long producerId = admin.describeTransactions(List.of(id)).description(id).get().producerId();
    var ongoing = new ListTransactionsOptions().filterStates(Set.of(TransactionState.ONGOING));
    answer("listedByState", "" + admin.listTransactions(ongoing).all().get().stream().anyMatch(one -> one.transactionalId().equals(id)));
    var own = new ListTransactionsOptions().filterProducerIds(Set.of(producerId));
    answer("listedByProducer", admin.listTransactions(own).all().get().stream().map(one -> one.transactionalId() + " " + one.state()).toList().toString());
    var old = new ListTransactionsOptions().filterOnDuration(3_600_000);
    answer("listedByDuration", "" + admin.listTransactions(old).all().get().stream().anyMatch(one -> one.transactionalId().equals(id)));
    var complete = new ListTransactionsOptions().filterStates(Set.of(TransactionState.COMPLETE_COMMIT));
    answer("listedAsComplete", "" + admin.listTransactions(complete).all().get().stream().anyMatch(one -> one.transactionalId().equals(id)));
    var found = admin.describeTransactions(List.of(id)).description(id).get();
    answer("described", found.state() + " " + found.transactionTimeoutMs() + " " + found.transactionStartTimeMs().isPresent() + " " + found.topicPartitions());
  }

  static ProducerState producing(Admin admin, TopicPartition partition) throws Exception {
    var all = admin.describeProducers(List.of(partition)).partitionResult(partition).get().activeProducers();
    return all.stream().max((a, b) -> Long.compare(a.lastTimestamp(), b.lastTimestamp())).get();
  }

  /** The epoch, as soon as it is in that state: markers are written after the client has been answered. */
  static int describe(Admin admin, String id, String state) throws Exception {
    for (long untilMs = System.currentTimeMillis() + answerMaxMs; ; Thread.sleep(20)) {
      var found = admin.describeTransactions(List.of(id)).description(id).get();
      if (found.state().toString().equals(state)) return found.producerEpoch();
      if (System.currentTimeMillis() > untilMs) throw new IllegalStateException(id + " is " + found);
    }
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
    } catch (KafkaException error) {
      return error.getClass().getSimpleName();
    }
  }

  static void answer(String question, String what) {
    out.println(question + "\t" + what);
  }
}
