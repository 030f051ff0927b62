/* What one C thread over librabbitmq and SQLite makes of the same work, without a framework: the limit that `warren bench` is
 * compared with. `sh compose/bench` builds and runs it.
 *
 *   limit schedule QUEUE N BATCH DBFILE   a batch: one transaction of inserts, as many publications, all their confirms
 *   limit process  QUEUE N BATCH DBFILE   a batch: as many deliveries, one transaction each for running and for completed,
 *                                         one acknowledgement
 *
 * The queue is a quorum queue, messages are persistent, the file is synced with each commit, and has a table with the columns
 * and the indexes that a job cannot do without. The broker is at 127.0.0.1 and $AMQP_PORT (5672), with user and password guest.
 *
 *   cc -O2 limit.c -o limit -lrabbitmq -lsqlite3
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <sqlite3.h>

static sqlite3 *db;
static amqp_connection_state_t connection;

static void fail(const char *what) {
  fprintf(stderr, "limit: %s\n", what);
  exit(1);
}

static double now(void) {
  struct timeval time;
  gettimeofday(&time, NULL);
  return time.tv_sec + time.tv_usec / 1e6;
}

static void execute(const char *sql) {
  char *error = NULL;
  if (sqlite3_exec(db, sql, NULL, NULL, &error)) fail(error);
}

static sqlite3_stmt *prepare(const char *sql) {
  sqlite3_stmt *statement;
  if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL)) fail(sqlite3_errmsg(db));
  return statement;
}

static void step(sqlite3_stmt *statement) {
  if (sqlite3_step(statement) != SQLITE_DONE) fail(sqlite3_errmsg(db));
  sqlite3_reset(statement);
}

static void open_store(const char *path) {
  if (sqlite3_open(path, &db)) fail(sqlite3_errmsg(db));
  execute("PRAGMA journal_mode = WAL");
  execute("PRAGMA synchronous = FULL");
  execute(
      "CREATE TABLE IF NOT EXISTS job (id BLOB PRIMARY KEY, tenant BLOB, user BLOB, idem BLOB, type TEXT, queue TEXT,"
      " status TEXT, scheduled_at INT, updated_at INT, started_at INT, progress REAL DEFAULT 0, params TEXT,"
      " result TEXT, error TEXT, retries INT DEFAULT 0, worker TEXT) WITHOUT ROWID");
  execute("CREATE UNIQUE INDEX IF NOT EXISTS i1 ON job (tenant, idem)");
  execute("CREATE INDEX IF NOT EXISTS i2 ON job (tenant, status, scheduled_at)");
}

static void connect_to_broker(const char *queue) {
  const char *port = getenv("AMQP_PORT");
  connection = amqp_new_connection();
  amqp_socket_t *socket = amqp_tcp_socket_new(connection);
  if (amqp_socket_open(socket, "127.0.0.1", port ? atoi(port) : 5672)) fail("no broker");
  amqp_login(connection, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest");
  amqp_channel_open(connection, 1);
  amqp_table_entry_t entry = {0};
  entry.key = amqp_cstring_bytes("x-queue-type");
  entry.value.kind = AMQP_FIELD_KIND_UTF8;
  entry.value.value.bytes = amqp_cstring_bytes("quorum");
  amqp_table_t arguments = {1, &entry};
  amqp_queue_declare(connection, 1, amqp_cstring_bytes(queue), 0, 1, 0, 0, arguments);
  if (amqp_get_rpc_reply(connection).reply_type != AMQP_RESPONSE_NORMAL) fail("no queue");
}

/* Waits until the first `wanted` publications are confirmed, in whatever order the confirms come. */
static void await_confirms(unsigned long long wanted, unsigned long long most) {
  static unsigned char *seen;
  static unsigned long long done;
  if (!seen && !(seen = calloc(most + 2, 1))) fail("no memory");
  while (done < wanted) {
    amqp_frame_t frame;
    amqp_maybe_release_buffers(connection);
    if (amqp_simple_wait_frame(connection, &frame)) fail("the connection is lost");
    if (frame.frame_type != AMQP_FRAME_METHOD || frame.payload.method.id != AMQP_BASIC_ACK_METHOD) continue;
    amqp_basic_ack_t *ack = frame.payload.method.decoded;
    unsigned long long tag = ack->multiple ? done + 1 : ack->delivery_tag;
    for (; tag <= ack->delivery_tag; tag++) seen[tag] = 1;
    while (seen[done + 1]) done++;
  }
}

static void schedule(const char *queue, int count, int batch) {
  sqlite3_stmt *insert = prepare(
      "INSERT INTO job (id, tenant, user, idem, type, queue, status, scheduled_at, updated_at, params)"
      " VALUES (?, ?, ?, ?, 'bench:noop', 'compute', 'waiting', ?, ?, ?)");
  unsigned char(*ids)[16] = malloc(16 * (size_t)batch);
  unsigned char tenant[16], key[16];
  char params[96];
  FILE *random = fopen("/dev/urandom", "rb");
  if (!ids || !random) fail("no memory, or no random numbers");
  memset(tenant, 1, 16);
  amqp_confirm_select(connection, 1);
  amqp_basic_properties_t properties = {0};
  properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_CONTENT_TYPE_FLAG;
  properties.delivery_mode = 2;
  properties.content_type = amqp_cstring_bytes("application/json");
  for (int first = 0; first < count; first += batch) {
    int size = count - first < batch ? count - first : batch;
    execute("BEGIN");
    for (int i = 0; i < size; i++) {
      if (fread(ids[i], 16, 1, random) != 1 || fread(key, 16, 1, random) != 1) fail("no random numbers");
      snprintf(params, sizeof params, "{\"i\":%d}", first + i);
      sqlite3_bind_blob(insert, 1, ids[i], 16, SQLITE_STATIC);
      sqlite3_bind_blob(insert, 2, tenant, 16, SQLITE_STATIC);
      sqlite3_bind_blob(insert, 3, tenant, 16, SQLITE_STATIC);
      sqlite3_bind_blob(insert, 4, key, 16, SQLITE_STATIC);
      sqlite3_bind_int64(insert, 5, first + i);
      sqlite3_bind_int64(insert, 6, first + i);
      sqlite3_bind_text(insert, 7, params, -1, SQLITE_STATIC);
      step(insert);
    }
    execute("COMMIT");
    for (int i = 0; i < size; i++) {
      amqp_bytes_t body = {16, ids[i]};
      amqp_basic_publish(
          connection, 1, amqp_empty_bytes, amqp_cstring_bytes(queue), 0, 0, &properties, body);
    }
    await_confirms((unsigned long long)first + size, count);
  }
}

static void process(const char *queue, int count, int batch) {
  sqlite3_stmt *run = prepare(
      "UPDATE job SET status = 'running', started_at = ?, updated_at = ?, worker = 'w' WHERE id = ? AND status = 'waiting'");
  sqlite3_stmt *complete = prepare(
      "UPDATE job SET status = 'completed', progress = 100, updated_at = ?, result = '{}' WHERE id = ?"
      " AND status = 'running'");
  unsigned char(*ids)[16] = malloc(16 * (size_t)batch);
  if (!ids) fail("no memory");
  amqp_basic_qos(connection, 1, 0, batch * 2, 0);
  amqp_basic_consume(
      connection, 1, amqp_cstring_bytes(queue), amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
  for (int first = 0; first < count;) {
    int size = count - first < batch ? count - first : batch;
    unsigned long long tag = 0;
    for (int i = 0; i < size; i++) {
      amqp_envelope_t envelope;
      amqp_maybe_release_buffers(connection);
      if (amqp_consume_message(connection, &envelope, NULL, 0).reply_type != AMQP_RESPONSE_NORMAL)
        fail("the connection is lost");
      memcpy(ids[i], envelope.message.body.bytes, 16);
      tag = envelope.delivery_tag;
      amqp_destroy_envelope(&envelope);
    }
    execute("BEGIN");
    for (int i = 0; i < size; i++) {
      sqlite3_bind_int64(run, 1, first);
      sqlite3_bind_int64(run, 2, first);
      sqlite3_bind_blob(run, 3, ids[i], 16, SQLITE_STATIC);
      step(run);
    }
    execute("COMMIT");
    execute("BEGIN");
    for (int i = 0; i < size; i++) {
      sqlite3_bind_int64(complete, 1, first);
      sqlite3_bind_blob(complete, 2, ids[i], 16, SQLITE_STATIC);
      step(complete);
    }
    execute("COMMIT");
    amqp_basic_ack(connection, 1, tag, 1);
    first += size;
  }
}

int main(int argc, char **argv) {
  if (argc < 6 || (strcmp(argv[1], "schedule") && strcmp(argv[1], "process"))) {
    fprintf(stderr, "usage: limit schedule|process QUEUE N BATCH DBFILE\n");
    return 2;
  }
  int count = atoi(argv[3]), batch = atoi(argv[4]);
  if (count < 1 || batch < 1) fail("N and BATCH are positive numbers");
  open_store(argv[5]);
  connect_to_broker(argv[2]);
  double begin = now();
  if (!strcmp(argv[1], "schedule")) schedule(argv[2], count, batch);
  else process(argv[2], count, batch);
  printf("limit %s %d jobs, batch %d: %.0f jobs/s\n", argv[1], count, batch, count / (now() - begin));
  return 0;
}
