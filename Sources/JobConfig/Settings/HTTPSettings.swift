/// Where the HTTP API listens: the section `http` of the file.
public struct HTTPSettings: Sendable, Hashable {
  /// A name or an address; only 127.0.0.1 keeps it to this machine.
  public var host = "127.0.0.1"
  /// 0 takes any free port.
  public var port = 8080
  /// The largest request body, in bytes.
  public var maxBodyBytes = 1 << 20

  public init() {}
}
