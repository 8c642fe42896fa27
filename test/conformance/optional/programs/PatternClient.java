import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.Properties;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Apache Kafka's client of version 4, which leaves expressions to the broker, driven by the tests: `share EXPRESSION GROUP ENDS`. Records are lines, see outside-client.ts. */
public class PatternClient {
  public static void main(String[] args) throws Exception {
    var config = new Properties();
    config.put("bootstrap.servers", args[0]);
    config.put("group.protocol", "consumer");
    config.put("group.id", args[3]);
    config.put("auto.offset.reset", "earliest");
    config.put("enable.auto.commit", "false");
    int ends = Integer.parseInt(args[4]);
    var out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    try (var consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      consumer.subscribe(new SubscriptionPattern(args[2]));
      for (int seen = 0; seen < ends; ) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(500))) {
          out.println(record.partition() + "\t" + record.offset() + "\t" + record.timestamp() + "\t-\t" + Base64.getEncoder().encodeToString(record.value()) + "\t");
          if (new String(record.value(), StandardCharsets.UTF_8).equals("end")) seen++;
        }
        commit(consumer);
      }
    }
    out.flush();
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
}
