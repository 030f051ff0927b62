// Publishes with confirms, or consumes with batched acknowledgements, the way a C program does over
// librabbitmq: the measure for the Swift client. Prints one line of JSON.
//
//   amqp-c publish|consume HOST PORT USER PASSWORD VHOST QUEUE MESSAGES BYTES BATCH IN_FLIGHT

#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { CHANNEL = 1 };

static void fail(const char *what, int status) {
  fprintf(stderr, "%s: %s\n", what, status < 0 ? amqp_error_string2(status) : "unexpected answer");
  exit(1);
}

static void check(const char *what, int status) {
  if (status != AMQP_STATUS_OK) fail(what, status);
}

static void check_reply(const char *what, amqp_rpc_reply_t reply) {
  if (reply.reply_type == AMQP_RESPONSE_NORMAL) return;
  fail(what, reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION ? reply.library_error : 0);
}

// User and system time of the process and the clock, in microseconds.
typedef struct {
  double user, system, clock;
} instant;

static instant now(void) {
  struct rusage usage;
  struct timespec time;
  getrusage(RUSAGE_SELF, &usage);
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (instant){
      .user = (double)usage.ru_utime.tv_sec * 1e6 + (double)usage.ru_utime.tv_usec,
      .system = (double)usage.ru_stime.tv_sec * 1e6 + (double)usage.ru_stime.tv_usec,
      .clock = (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3,
  };
}

static void print(instant begin, long messages) {
  instant end = now();
  printf("{\"messages\":%ld,\"seconds\":%.6f,\"user\":%.6f,\"system\":%.6f}\n", messages,
         (end.clock - begin.clock) / 1e6, (end.user - begin.user) / 1e6,
         (end.system - begin.system) / 1e6);
}

// What the broker has answered: all up to `up_to`, and of the rest those that are marked.
typedef struct {
  uint64_t up_to;
  char *answered;
} confirms;

// Reads a frame that answers publications: returns how many.
static long read_confirm(amqp_connection_state_t connection, confirms *confirms) {
  amqp_frame_t frame;
  check("reading", amqp_simple_wait_frame(connection, &frame));
  if (frame.frame_type != AMQP_FRAME_METHOD || frame.payload.method.id != AMQP_BASIC_ACK_METHOD) {
    fail("no basic.ack", 0);
  }
  amqp_basic_ack_t *ack = frame.payload.method.decoded;
  long count = 0;
  uint64_t tag = ack->multiple ? confirms->up_to + 1 : ack->delivery_tag;
  for (; tag <= ack->delivery_tag; tag++) {
    if (!confirms->answered[tag]) count++;
    confirms->answered[tag] = 1;
  }
  while (confirms->answered[confirms->up_to + 1]) confirms->up_to++;
  amqp_maybe_release_buffers_on_channel(connection, CHANNEL);
  return count;
}

static void publish(amqp_connection_state_t connection, amqp_bytes_t queue, long messages,
                    size_t size, long batch, long in_flight) {
  amqp_confirm_select(connection, CHANNEL);
  check_reply("confirm.select", amqp_get_rpc_reply(connection));
  char *body = malloc(size);
  memset(body, 'x', size);
  amqp_basic_properties_t properties = {
      ._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG,
      .content_type = amqp_cstring_bytes("application/octet-stream"),
      .delivery_mode = AMQP_DELIVERY_PERSISTENT,
  };
  confirms confirms = {.answered = calloc((size_t)messages + 2, 1)};
  instant begin = now();
  long unconfirmed = 0;
  for (long sent = 0; sent < messages;) {
    while (unconfirmed + batch > in_flight) unconfirmed -= read_confirm(connection, &confirms);
    for (long i = 0; i < batch && sent < messages; i++, sent++, unconfirmed++) {
      check("basic.publish",
            amqp_basic_publish(connection, CHANNEL, amqp_empty_bytes, queue, 0, 0, &properties,
                               (amqp_bytes_t){.len = size, .bytes = body}));
    }
  }
  while (unconfirmed > 0) unconfirmed -= read_confirm(connection, &confirms);
  print(begin, messages);
  free(body);
  free(confirms.answered);
}

static void consume(amqp_connection_state_t connection, amqp_bytes_t queue, long messages,
                    size_t size, long batch, long in_flight) {
  amqp_basic_qos(connection, CHANNEL, 0, (uint16_t)in_flight, 0);
  check_reply("basic.qos", amqp_get_rpc_reply(connection));
  instant begin = now();
  amqp_basic_consume(connection, CHANNEL, queue, amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
  check_reply("basic.consume", amqp_get_rpc_reply(connection));
  for (long taken = 1; taken <= messages; taken++) {
    amqp_envelope_t envelope;
    amqp_maybe_release_buffers(connection);
    check_reply("consuming", amqp_consume_message(connection, &envelope, NULL, 0));
    if (envelope.message.body.len != size) fail("a message of another size", 0);
    if (taken % batch == 0 || taken == messages) {
      check("basic.ack", amqp_basic_ack(connection, CHANNEL, envelope.delivery_tag, 1));
    }
    amqp_destroy_envelope(&envelope);
  }
  print(begin, messages);
}

int main(int count, char **arguments) {
  if (count != 12) {
    fprintf(stderr, "usage: amqp-c publish|consume HOST PORT USER PASSWORD VHOST QUEUE MESSAGES "
                    "BYTES BATCH IN_FLIGHT\n");
    return 2;
  }
  amqp_connection_state_t connection = amqp_new_connection();
  amqp_socket_t *socket = amqp_tcp_socket_new(connection);
  if (!socket) fail("out of memory", 0);
  check("connecting", amqp_socket_open(socket, arguments[2], atoi(arguments[3])));
  check_reply("logging in", amqp_login(connection, arguments[6], 0, 131072, 0,
                                       AMQP_SASL_METHOD_PLAIN, arguments[4], arguments[5]));
  amqp_channel_open(connection, CHANNEL);
  check_reply("channel.open", amqp_get_rpc_reply(connection));

  amqp_bytes_t queue = amqp_cstring_bytes(arguments[7]);
  long messages = atol(arguments[8]);
  size_t size = (size_t)atol(arguments[9]);
  long batch = atol(arguments[10]);
  long in_flight = atol(arguments[11]);
  if (strcmp(arguments[1], "publish") == 0) {
    publish(connection, queue, messages, size, batch, in_flight);
  } else {
    consume(connection, queue, messages, size, batch, in_flight);
  }
  check_reply("closing", amqp_connection_close(connection, AMQP_REPLY_SUCCESS));
  check("freeing", amqp_destroy_connection(connection));
  return 0;
}
