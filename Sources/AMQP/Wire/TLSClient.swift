import CRabbitMQ
import Glibc

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
