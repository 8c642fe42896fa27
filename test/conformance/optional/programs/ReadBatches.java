import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.util.Base64;
import java.util.zip.CRC32;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.record.CompressionType;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.MutableRecordBatch;
import org.apache.kafka.common.record.Record;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.utils.BufferSupplier;
import org.apache.kafka.common.utils.CloseableIterator;
import org.apache.kafka.common.utils.PrimitiveRef;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.server.common.MetadataVersion;
import org.apache.kafka.storage.internals.log.AppendOrigin;
import org.apache.kafka.storage.internals.log.LogValidator;

/**
 * What Apache Kafka's own classes make of record batches. Standard input: one batch a line, in base64. For each a line with three words: what a consumer reads
 * (records and a checksum of their keys and values), what a broker says that keeps the producer's codec, and what one says that keeps records uncompressed; "!" and the reason for refused.
 */
public class ReadBatches {
  public static void main(String[] args) throws Exception {
    PrintStream answers = new PrintStream(System.out, false, "UTF-8");
    byte[] all = System.in.readAllBytes();
    for (String line : new String(all, "US-ASCII").split("\n")) {
      if (line.isEmpty()) continue;
      byte[] batch = Base64.getDecoder().decode(line);
      answers.println(verdict(() -> consume(batch)) + "\t" + verdict(() -> admit(batch, true)) + "\t" + verdict(() -> admit(batch, false)));
    }
    answers.flush();
  }

  interface Attempt {
    String run() throws Exception;
  }

  static String verdict(Attempt attempt) {
    try {
      return attempt.run();
    } catch (Throwable error) {
      StringBuilder text = new StringBuilder("!");
      for (Throwable at = error; at != null; at = at.getCause()) text.append(at.getClass().getSimpleName()).append(": ").append(at.getMessage()).append(" ");
      return text.toString().replaceAll("[\\t\\n\\r]", " ").trim();
    }
  }

  static String consume(byte[] bytes) {
    CRC32 checksum = new CRC32();
    int records = 0;
    for (MutableRecordBatch batch : MemoryRecords.readableRecords(ByteBuffer.wrap(bytes.clone())).batches()) {
      batch.ensureValid();
      try (CloseableIterator<Record> iterator = batch.streamingIterator(BufferSupplier.create())) {
        while (iterator.hasNext()) {
          Record record = iterator.next();
          record.ensureValid();
          if (record.hasKey()) checksum.update(record.key().duplicate());
          if (record.hasValue()) checksum.update(record.value().duplicate());
          records++;
        }
      }
    }
    return records + ":" + checksum.getValue();
  }

  static String admit(byte[] bytes, boolean keepsCodec) {
    MemoryRecords records = MemoryRecords.readableRecords(ByteBuffer.wrap(bytes.clone()));
    CompressionType codec = records.batches().iterator().next().compressionType();
    new LogValidator(
            records,
            new TopicPartition("t", 0),
            Time.SYSTEM,
            codec,
            Compression.of(keepsCodec ? codec : CompressionType.NONE).build(),
            false,
            RecordBatch.CURRENT_MAGIC_VALUE,
            TimestampType.CREATE_TIME,
            Long.MAX_VALUE,
            Long.MAX_VALUE,
            0,
            AppendOrigin.CLIENT,
            MetadataVersion.latestProduction())
        .validateMessagesAndAssignOffsets(PrimitiveRef.ofLong(0), metrics, BufferSupplier.create());
    return "ok";
  }

  static final LogValidator.MetricsRecorder metrics =
      new LogValidator.MetricsRecorder() {
        public void recordInvalidMagic() {}

        public void recordInvalidOffset() {}

        public void recordInvalidSequence() {}

        public void recordInvalidChecksums() {}

        public void recordNoKeyCompactedTopic() {}
      };
}
