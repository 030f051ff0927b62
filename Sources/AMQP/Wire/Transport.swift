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

/// Makes TLS sessions as a configuration demands, with errors that name the file or certificate that
/// cannot be used.
struct TLSClient {
  /// Where distributions keep the bundle of trusted authorities.
  private static let systemBundles = [
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem",
  ]

  /// How OpenSSL reaches the socket. Made once, never changed, and only read by OpenSSL: hence safe
  /// to share.
  nonisolated(unsafe) private static let method: OpaquePointer? = rmq_bio_method()

  let tls: TLSConfiguration
  let host: String
  /// For messages.
  let endpoint: String

  /// The name to ask for, and to verify the certificate against.
  private var serverName: String { tls.serverName ?? host }

  private var isAddress: Bool {
    var space = in6_addr()
    let name = serverName.prefix { $0 != "%" }
    return inet_pton(AF_INET, String(name), &space) == 1
      || inet_pton(AF_INET6, String(name), &space) == 1
  }

  /// OpenSSL's state of a new connection over that socket. The caller frees it.
  func makeSession(over descriptor: Int32) throws(AMQPError) -> OpaquePointer {
    guard let context = rmq_tls_context() else {
      throw .tls("OpenSSL cannot be set up for TLS 1.2")
    }
    // The session holds it from then on.
    defer { SSL_CTX_free(context) }
    try trust(context)
    try identify(context)
    guard let session = SSL_new(context) else { throw .tls("out of memory") }
    do throws(AMQPError) {
      guard let method = Self.method, rmq_tls_attach(session, method, descriptor) == 1 else {
        throw .tls("out of memory")
      }
      try name(session)
      return session
    } catch {
      SSL_free(session)
      throw error
    }
  }

  private func trust(_ context: OpaquePointer) throws(AMQPError) {
    SSL_CTX_set_verify(context, tls.verifyPeer ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nil)
    guard tls.verifyPeer else { return }
    let file = try authorities()
    try readable(file, "cacertfile")
    guard SSL_CTX_load_verify_locations(context, file, nil) == 1 else {
      throw .tls("\(file) (cacertfile) holds no certificates in PEM form")
    }
  }

  private func identify(_ context: OpaquePointer) throws(AMQPError) {
    guard let certificate = tls.certificateFile, let key = tls.keyFile else { return }
    try readable(certificate, "certfile")
    try readable(key, "keyfile")
    guard SSL_CTX_use_certificate_chain_file(context, certificate) == 1,
      SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1,
      SSL_CTX_check_private_key(context) == 1
    else {
      throw .tls(
        "\(certificate) (certfile) and \(key) (keyfile) must be a PEM certificate and its "
          + "unencrypted private key")
    }
  }

  private func name(_ session: OpaquePointer) throws(AMQPError) {
    if isAddress {
      guard tls.verifyPeer else { return }
      let name = String(serverName.prefix { $0 != "%" })
      guard X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), name) == 1 else {
        throw .tls("\(name) cannot be verified")
      }
      return
    }
    guard rmq_tls_server_name(session, serverName) == 1,
      !tls.verifyPeer || SSL_set1_host(session, serverName) == 1
    else { throw .tls("\(serverName) cannot be a host name") }
  }

  /// Why a handshake has failed, from what verifying the certificate said.
  func failure(_ verification: Int) -> AMQPError {
    switch Int32(verification) {
    case X509_V_OK:
      return .tls("\(endpoint): the TLS handshake failed; is this the broker's TLS port?")
    case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
      return .tls(
        "\(endpoint): the broker's certificate is not for the host name \(serverName); "
          + "connect by a DNS name that is in the certificate")
    default:
      let authorities = tls.caCertificateFile ?? "the system's authorities"
      let why = String(cString: X509_verify_cert_error_string(verification))
      return .tls(
        "\(endpoint): the broker's certificate is not signed by \(authorities), or is expired "
          + "(\(why)); give the right cacertfile")
    }
  }

  private func authorities() throws(AMQPError) -> String {
    if let file = tls.caCertificateFile { return file }
    if let file = getenv("SSL_CERT_FILE") { return String(cString: file) }
    if let file = Self.systemBundles.first(where: { access($0, R_OK) == 0 }) { return file }
    throw .tls(
      "no trusted authorities: give cacertfile, or install ca-certificates (looked for "
        + Self.systemBundles.joined(separator: ", ") + ")")
  }

  private func readable(_ file: String, _ parameter: String) throws(AMQPError) {
    guard access(file, R_OK) == 0 else {
      throw .tls("\(file) (\(parameter)) cannot be read: \(String(cString: strerror(errno)))")
    }
  }
}
