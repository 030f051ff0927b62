import CRabbitMQ
import Glibc

/// Owns a connected socket, and what TLS needs on top of it. It never blocks: what cannot be done
/// now is said to be so, and waits for the event loop's poll.
struct Transport: ~Copyable {
  /// What a handshake waits for.
  enum Handshake {
    case done, input, output
  }

  /// To poll.
  let descriptor: Int32
  /// OpenSSL's state of this connection.
  private let tls: OpaquePointer?
  /// TLS has to write before it can read on: keys are being renewed.
  private(set) var readNeedsOutput = false

  /// Takes a non-blocking socket over, and OpenSSL's state, if TLS is to be spoken after a
  /// handshake.
  init(descriptor: Int32, tls: OpaquePointer? = nil) {
    self.descriptor = descriptor
    self.tls = tls
  }

  deinit {
    if let tls { SSL_free(tls) }
    close(descriptor)
  }

  /// Goes on with the TLS handshake.
  mutating func handshake(_ client: TLSClient) throws(AMQPError) -> Handshake {
    guard let tls else { return .done }
    ERR_clear_error()
    let status = SSL_connect(tls)
    guard status != 1 else { return .done }
    switch SSL_get_error(tls, status) {
    case SSL_ERROR_WANT_READ: return .input
    case SSL_ERROR_WANT_WRITE: return .output
    default: throw client.failure(SSL_get_verify_result(tls))
    }
  }

  /// Whether more can be read although the socket has nothing: TLS has decrypted ahead.
  var hasDecrypted: Bool { tls.map { SSL_pending($0) > 0 } ?? false }

  /// Reads what is there, into the beginning of `space`: how many bytes; `nil` if nothing is there.
  mutating func receive(into space: UnsafeMutableRawBufferPointer) throws(AMQPError) -> Int? {
    guard let base = space.baseAddress, !space.isEmpty else { return nil }
    guard let tls else {
      while true {
        let count = recv(descriptor, base, space.count, 0)
        if count > 0 { return count }
        if count == 0 { throw .socket("the other side closed it") }
        switch errno {
        case EINTR: continue
        case EAGAIN: return nil
        default: throw .socket(String(cString: strerror(errno)))
        }
      }
    }
    ERR_clear_error()
    let count = SSL_read(tls, base, Int32(clamping: space.count))
    readNeedsOutput = false
    if count > 0 { return Int(count) }
    switch SSL_get_error(tls, count) {
    case SSL_ERROR_WANT_READ: return nil
    case SSL_ERROR_WANT_WRITE:
      readNeedsOutput = true
      return nil
    default: throw Self.lost()
    }
  }

  /// Writes as much of `bytes` as the socket takes: how many; `nil` if it takes none.
  mutating func send(_ bytes: UnsafeRawBufferPointer) throws(AMQPError) -> Int? {
    guard let base = bytes.baseAddress, !bytes.isEmpty else { return 0 }
    guard let tls else {
      while true {
        let count = Glibc.send(descriptor, base, bytes.count, Int32(MSG_NOSIGNAL))
        if count >= 0 { return count }
        switch errno {
        case EINTR: continue
        case EAGAIN: return nil
        default: throw .socket(String(cString: strerror(errno)))
        }
      }
    }
    ERR_clear_error()
    let count = SSL_write(tls, base, Int32(clamping: bytes.count))
    if count > 0 { return Int(count) }
    switch SSL_get_error(tls, count) {
    // Reading is watched for always, so it needs no mention.
    case SSL_ERROR_WANT_WRITE, SSL_ERROR_WANT_READ: return nil
    default: throw Self.lost()
    }
  }

  private static func lost() -> AMQPError {
    let code = ERR_peek_error()
    guard code != 0 else {
      return .socket(errno == 0 ? "the other side closed it" : String(cString: strerror(errno)))
    }
    guard let text = ERR_reason_error_string(code) else { return .socket("TLS error \(code)") }
    return .socket("TLS: \(String(cString: text))")
  }
}
