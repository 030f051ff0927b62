// What Swift cannot reach of librabbitmq and of the kernel by itself: variadic functions, option
// macros.
#pragma once
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

// amqp_login_with_properties is variadic; these are its two uses.
static inline amqp_rpc_reply_t rmq_login_plain(
    amqp_connection_state_t state, const char *vhost, int channel_max, int frame_max,
    int heartbeat, const amqp_table_t *properties, const char *username, const char *password) {
  return amqp_login_with_properties(state, vhost, channel_max, frame_max, heartbeat, properties,
                                    AMQP_SASL_METHOD_PLAIN, username, password);
}

static inline amqp_rpc_reply_t rmq_login_external(
    amqp_connection_state_t state, const char *vhost, int channel_max, int frame_max,
    int heartbeat, const amqp_table_t *properties, const char *identity) {
  return amqp_login_with_properties(state, vhost, channel_max, frame_max, heartbeat, properties,
                                    AMQP_SASL_METHOD_EXTERNAL, identity);
}

// OpenSSL asks on the terminal for the passphrase of an encrypted key. An empty one, which must
// outlive the socket, makes it fail instead.
static inline void rmq_never_ask_for_passphrase(amqp_socket_t *socket) {
  amqp_ssl_socket_set_key_passwd(socket, "");
}

// How long written data may stay unacknowledged, or unsent because the peer reads nothing, before
// the kernel gives the connection up. It bounds every send: librabbitmq has no bound of its own.
static inline int rmq_set_user_timeout(int fd, unsigned int milliseconds) {
  return setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof milliseconds);
}

// Corked, the socket gathers the small writes of a batch into full segments.
static inline void rmq_set_cork(int fd, int on) {
  (void)setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
}

static inline int rmq_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

// Names the calling thread; the kernel keeps 15 bytes.
static inline void rmq_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

static inline int rmq_errno(void) { return errno; }
