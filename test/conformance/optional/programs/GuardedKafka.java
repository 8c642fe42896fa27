/** A broker of Apache Kafka that cannot outlive the test which started it: it ends with its standard input. */
public class GuardedKafka {
  public static void main(String[] args) {
    Thread guard = new Thread(() -> {
      try {
        while (System.in.read() >= 0) {}
      } catch (java.io.IOException gone) {
        // as good as its end
      }
      Runtime.getRuntime().halt(1);
    });
    guard.setDaemon(true);
    guard.start();
    kafka.Kafka.main(args);
  }
}
