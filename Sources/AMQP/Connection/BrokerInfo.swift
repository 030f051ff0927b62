/// What a broker says of itself when a connection is made.
public struct BrokerInfo: Sendable, Hashable {
  /// A version of the broker: major, minor, patch. What follows these three in its text, such as
  /// `-rc.1`, is not compared.
  public struct Version: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The first number.
    public var major: Int
    /// The second number.
    public var minor: Int
    /// The third number.
    public var patch: Int

    /// The version of these numbers.
    public init(_ major: Int, _ minor: Int, _ patch: Int = 0) {
      self.major = major
      self.minor = minor
      self.patch = patch
    }

    /// Reads `4.0.5`, `3.13`, `4.1.0-rc.1+g12`; `nil` if it does not begin with two numbers.
    public init?(_ text: String) {
      let release = text.prefix { $0.isNumber || $0 == "." }
      let numbers = release.split(separator: ".").prefix(3).map { Int($0) }
      guard numbers.count >= 2, let major = numbers[0], let minor = numbers[1] else { return nil }
      self.init(major, minor, numbers.count > 2 ? numbers[2] ?? 0 : 0)
    }

    /// Orders by major, then minor, then patch.
    public static func < (left: Version, right: Version) -> Bool {
      (left.major, left.minor, left.patch) < (right.major, right.minor, right.patch)
    }

    public var description: String { "\(major).\(minor).\(patch)" }
  }

  /// All that it said.
  public let properties: FieldTable

  /// What a broker of those properties says; useful in tests.
  public init(properties: FieldTable) {
    self.properties = properties
  }

  /// Such as `RabbitMQ`.
  public var product: String { properties["product"]?.stringValue ?? "" }

  /// Its version; `nil` if it says none, or none that can be read.
  public var version: Version? { (properties["version"]?.stringValue).flatMap(Version.init) }

  /// The name of the cluster.
  public var clusterName: String { properties["cluster_name"]?.stringValue ?? "" }

  /// The protocol extensions that it offers, such as `connection.blocked`.
  public var capabilities: Set<String> {
    guard case .table(let table)? = properties["capabilities"] else { return [] }
    return Set(table.filter { $0.value.boolValue == true }.map(\.name))
  }
}
