import Foundation

/// A certificate authority made for one test run, and what it has signed. All are paths of PEM
/// files.
public struct TestCertificates: Sendable {
  /// The authority's certificate.
  public let authority: String
  /// A server's certificate chain, for the DNS name `localhost` only.
  public let server: String
  /// Its key.
  public let serverKey: String
  /// A client's certificate, its common name `guest`.
  public let client: String
  /// Its key.
  public let clientKey: String
  /// The certificate of another authority, which has signed none of these.
  public let stranger: String

  /// Makes them with the `openssl` command.
  static func make(in directory: URL) async throws -> TestCertificates {
    let folder = directory.appending(path: "tls")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    func path(_ name: String) -> String { folder.appending(path: name).path(percentEncoded: false) }
    func openssl(_ arguments: String...) async throws {
      try await Tool.run("/usr/bin/openssl", arguments, directory: folder)
    }
    func authority(_ name: String) async throws {
      try await openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-days", "2", "-subj", "/CN=\(name)", "-keyout", "\(name).key", "-out", "\(name).pem")
    }
    func sign(_ name: String, subject: String, extension: String) async throws {
      try await openssl(
        "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
        "/CN=\(subject)", "-keyout", "\(name).key", "-out", "\(name).csr")
      try `extension`.write(toFile: path("\(name).ext"), atomically: true, encoding: .utf8)
      try await openssl(
        "x509", "-req", "-in", "\(name).csr", "-CA", "authority.pem", "-CAkey", "authority.key",
        "-CAcreateserial", "-days", "2", "-extfile", "\(name).ext", "-out", "\(name).pem")
    }
    try await authority("authority")
    try await authority("stranger")
    try await sign("server", subject: "broker", extension: "subjectAltName=DNS:localhost\n")
    try await sign("client", subject: "guest", extension: "extendedKeyUsage=clientAuth\n")
    return TestCertificates(
      authority: path("authority.pem"), server: path("server.pem"), serverKey: path("server.key"),
      client: path("client.pem"), clientKey: path("client.key"), stranger: path("stranger.pem"))
  }
}
