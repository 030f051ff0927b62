import CRabbitMQ
import Glibc

/// Prepares librabbitmq's TLS socket, with an error that names the file when one cannot be used.
struct TLSSetup {
  /// Where distributions keep the bundle of trusted authorities; OpenSSL's own look-up is not
  /// within librabbitmq's reach.
  private static let systemBundles = [
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem",
  ]

  private let tls: TLSConfiguration

  init(_ tls: TLSConfiguration) {
    self.tls = tls
  }

  /// A TLS socket that belongs to the connection `state`.
  func makeSocket(_ state: amqp_connection_state_t) throws(AMQPError) -> OpaquePointer {
    guard let socket = amqp_ssl_socket_new(state) else { throw .tls("OpenSSL cannot be set up") }
    guard
      amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST)
        == AMQP_STATUS_OK.rawValue
    else { throw .tls("this OpenSSL does not offer TLS 1.2") }
    rmq_never_ask_for_passphrase(socket)
    amqp_ssl_socket_set_verify_peer(socket, tls.verifyPeer ? 1 : 0)
    amqp_ssl_socket_set_verify_hostname(socket, tls.verifyPeer ? 1 : 0)
    if tls.verifyPeer {
      let file = try authorities()
      try readable(file, "cacertfile")
      guard amqp_ssl_socket_set_cacert(socket, file) == AMQP_STATUS_OK.rawValue else {
        throw .tls("\(file) (cacertfile) holds no certificates in PEM form")
      }
    }
    if let certificate = tls.certificateFile, let key = tls.keyFile {
      try readable(certificate, "certfile")
      try readable(key, "keyfile")
      guard amqp_ssl_socket_set_key(socket, certificate, key) == AMQP_STATUS_OK.rawValue else {
        throw .tls(
          "\(certificate) (certfile) and \(key) (keyfile) must be a PEM certificate and its "
            + "unencrypted private key")
      }
    }
    return socket
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
