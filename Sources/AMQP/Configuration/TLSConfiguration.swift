/// How to speak TLS. Always at least TLS 1.2.
public struct TLSConfiguration: Sendable, Hashable {
  /// PEM file of the certificate authorities to trust; `nil`: those of the system (`SSL_CERT_FILE`,
  /// or the bundle in the usual places).
  public var caCertificateFile: String?
  /// PEM file of the client's certificate chain. Needs ``keyFile``.
  public var certificateFile: String?
  /// PEM file of the client's private key, not encrypted. Needs ``certificateFile``.
  public var keyFile: String?
  /// Whether the broker's certificate must be signed by a trusted authority, and be for its host
  /// name. Turning this off leaves the connection open to anyone in between.
  public var verifyPeer: Bool

  /// The name to ask the broker's TLS for, and to verify its certificate against
  /// (`server_name_indication` in a URL); `nil`: the host that is connected to.
  public var serverName: String?

  /// Verifies the broker against the system's authorities, unless told otherwise.
  public init(
    caCertificateFile: String? = nil, certificateFile: String? = nil, keyFile: String? = nil,
    verifyPeer: Bool = true
  ) {
    self.caCertificateFile = caCertificateFile
    self.certificateFile = certificateFile
    self.keyFile = keyFile
    self.verifyPeer = verifyPeer
  }
}
