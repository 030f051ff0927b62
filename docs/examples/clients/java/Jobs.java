// Submits a job and prints its result; then schedules one for later and cancels it.
//
//   apt install default-jdk-headless librabbitmq-client-java libslf4j-java
//   cp=/usr/share/java
//   WARREN_BROKER=amqp://guest:guest@127.0.0.1:5672 \
//     java -cp $cp/amqp-client.jar:$cp/slf4j-api.jar:$cp/slf4j-nop.jar Jobs.java README.md
//
// Bodies are JSON: a service takes its own library for that; here a few patterns do, so that nothing else is needed.

import com.rabbitmq.client.AMQP.BasicProperties;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Envelope;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A producer of jobs: one channel, and one queue for all that comes back. */
public final class Jobs {
  private static final int PERSISTENT = 2;

  private final Channel channel;
  private final String replies;
  private final Map<String, BlockingQueue<String>> ends = new ConcurrentHashMap<>();
  private volatile String returned;

  Jobs(Connection connection) throws IOException {
    channel = connection.createChannel();
    channel.confirmSelect();
    channel.addReturnListener(
        (code, text, exchange, key, properties, body) -> returned = text);
    replies = channel.queueDeclare("to-jobs-" + UUID.randomUUID(), false, true, true, null).getQueue();
    channel.basicConsume(replies, true, new DefaultConsumer(channel) {
      @Override
      public void handleDelivery(
          String tag, Envelope envelope, BasicProperties properties, byte[] body) {
        endsOf(properties.getCorrelationId()).add(new String(body, StandardCharsets.UTF_8));
      }
    });
  }

  private BlockingQueue<String> endsOf(String job) {
    return ends.computeIfAbsent(job, id -> new LinkedBlockingQueue<>());
  }

  /** Returns the job's id. Should it throw, it may be done again with the same key: that is the same job. */
  String submit(String type, String params, String key, Optional<Instant> scheduledAt)
      throws IOException, InterruptedException, TimeoutException {
    String job = UUID.randomUUID().toString();
    Map<String, Object> headers = new HashMap<>();
    headers.put("idempotency-key", key);
    scheduledAt.ifPresent(at -> headers.put("scheduled-at", at.toEpochMilli()));
    publish(params, new BasicProperties.Builder()
        .type(type).messageId(job).replyTo(replies).correlationId(job).headers(headers));
    return job;
  }

  void cancel(String job, String reason) throws IOException, InterruptedException, TimeoutException {
    publish(
        "{\"job\": " + quoted(job) + ", \"reason\": " + quoted(reason) + "}",
        new BasicProperties.Builder().type("warren.cancel"));
  }

  /** When this returns, the broker has the message on its disk. */
  private void publish(String body, BasicProperties.Builder properties)
      throws IOException, InterruptedException, TimeoutException {
    returned = null;
    channel.basicPublish("jobs.submit", "", true,
        properties.contentType("application/json").deliveryMode(PERSISTENT).build(),
        body.getBytes(StandardCharsets.UTF_8));
    channel.waitForConfirmsOrDie(10_000);
    if (returned != null) {
      throw new IOException("the exchange jobs.submit leads to no queue: " + returned);
    }
  }

  /** The job as it is at its end, in JSON. */
  String endOf(String job) throws InterruptedException, TimeoutException {
    String end = endsOf(job).poll(30, TimeUnit.SECONDS);
    if (end == null) {
      throw new TimeoutException(
          "job " + job + " has not ended within 30 s; are a server and a worker there?");
    }
    return end;
  }

  private static String quoted(String text) {
    return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
  }

  private static String member(String json, String name) {
    Matcher matcher =
        Pattern.compile('"' + name + "\":\"((?:[^\"\\\\]|\\\\.)*)\"").matcher(json);
    return matcher.find() ? matcher.group(1) : "";
  }

  private static boolean run(String broker, String path) throws Exception {
    ConnectionFactory factory = new ConnectionFactory();
    // A lone slash at its end would be the virtual host without a name.
    factory.setUri(broker.endsWith("/") ? broker.substring(0, broker.length() - 1) : broker);
    factory.setAutomaticRecoveryEnabled(false);
    String params = "{\"path\": " + quoted(path) + "}";
    try (Connection connection = factory.newConnection("jobs.java")) {
      Jobs jobs = new Jobs(connection);

      String job =
          jobs.submit("files:checksum", params, "checksum-" + UUID.randomUUID(), Optional.empty());
      String end = jobs.endOf(job);
      String status = member(end, "status");
      System.out.println("job " + job + " " + status + ": " + member(end, "result") + member(end, "error"));
      if (!status.equals("completed")) {
        return false;
      }

      Instant inAnHour = Instant.now().plus(Duration.ofHours(1));
      job = jobs.submit(
          "files:checksum", params, "checksum-" + UUID.randomUUID(), Optional.of(inAnHour));
      jobs.cancel(job, "no longer needed");
      end = jobs.endOf(job);
      status = member(end, "status");
      System.out.println("job " + job + " " + status + ": " + member(end, "details"));
      return status.equals("canceled");
    }
  }

  public static void main(String[] arguments) {
    if (arguments.length != 1) {
      System.err.println("usage: Jobs.java FILE    (FILE as the worker sees it)");
      System.exit(2);
    }
    String broker = Optional.ofNullable(System.getenv("WARREN_BROKER"))
        .orElse("amqp://guest:guest@127.0.0.1:5672");
    try {
      System.exit(run(broker, arguments[0]) ? 0 : 1);
    } catch (Exception error) {
      System.err.println(error);
      System.exit(1);
    }
  }
}
