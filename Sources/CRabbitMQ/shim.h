// What Swift cannot reach of librabbitmq, OpenSSL and the kernel by itself: macros, and callbacks
// that OpenSSL wants in C.
#pragma once
#include <amqp.h>
#include <amqp_framing.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static inline int rmq_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

// Names the calling thread; the kernel keeps 15 bytes.
static inline void rmq_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

static inline int rmq_errno(void) { return errno; }

static inline int rmq_tcp_socket(int family) {
  return socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
}

// Small frames go out at once: they are gathered before they are written.
static inline void rmq_set_nodelay(int fd) {
  int one = 1;
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static inline int rmq_socket_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

// OpenSSL's own socket BIO writes with write(), which raises SIGPIPE when the peer is gone. This
// one does not.
static inline int rmq_bio_write(BIO *bio, const char *bytes, int count) {
  ssize_t written = send((int)(intptr_t)BIO_get_data(bio), bytes, (size_t)count, MSG_NOSIGNAL);
  BIO_clear_retry_flags(bio);
  if (written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
    BIO_set_retry_write(bio);
  }
  return (int)written;
}

static inline int rmq_bio_read(BIO *bio, char *bytes, int count) {
  ssize_t got = recv((int)(intptr_t)BIO_get_data(bio), bytes, (size_t)count, 0);
  BIO_clear_retry_flags(bio);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
    BIO_set_retry_read(bio);
  }
  return (int)got;
}

static inline long rmq_bio_control(BIO *bio, int command, long number, void *pointer) {
  (void)bio, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static inline BIO_METHOD *rmq_bio_method(void) {
  BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
  if (method != NULL) {
    BIO_meth_set_write(method, rmq_bio_write);
    BIO_meth_set_read(method, rmq_bio_read);
    BIO_meth_set_ctrl(method, rmq_bio_control);
  }
  return method;
}

// Makes `ssl` speak over the socket. False when memory is short.
static inline int rmq_tls_attach(SSL *ssl, const BIO_METHOD *method, int fd) {
  BIO *bio = BIO_new(method);
  if (bio == NULL) return 0;
  BIO_set_data(bio, (void *)(intptr_t)fd);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  return 1;
}

// OpenSSL asks on the terminal for the passphrase of an encrypted key. None makes it fail instead.
static inline int rmq_no_passphrase(char *buffer, int size, int writing, void *context) {
  (void)buffer, (void)size, (void)writing, (void)context;
  return 0;
}

static inline SSL_CTX *rmq_tls_context(void) {
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  if (context == NULL) return NULL;
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_default_passwd_cb(context, rmq_no_passphrase);
  if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) {
    SSL_CTX_free(context);
    return NULL;
  }
  return context;
}

static inline int rmq_tls_server_name(SSL *ssl, const char *name) {
  return (int)SSL_set_tlsext_host_name(ssl, name);
}
