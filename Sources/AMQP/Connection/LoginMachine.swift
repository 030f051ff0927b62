/// The log-in: header, start, start-ok, tune, tune-ok, open, open-ok (specification, section 2.2.4).
/// A value without I/O: it is told what came, and says what to send.
struct LoginMachine {
  /// What a user proves to be who it is with.
  enum Proof: Equatable {
    case plain(Credentials)
    /// By the TLS certificate.
    case external

    var mechanism: String {
      switch self {
      case .plain: "PLAIN"
      case .external: "EXTERNAL"
      }
    }

    fileprivate var response: [UInt8] {
      switch self {
      case .plain(let credentials):
        [0] + Array(credentials.username.utf8) + [0] + Array(credentials.password.utf8)
      case .external: []
      }
    }
  }

  private enum State {
    case fresh, waitingForStart, waitingForTune, waitingForOpen, done
  }

  /// What comes of an event.
  enum Action: Equatable {
    case send([OutboundMethod])
    /// Logged in.
    case done
  }

  private let configuration: ConnectionConfiguration
  private let proof: Proof
  private var state = State.fresh
  /// What the broker said of itself.
  private(set) var broker = BrokerInfo(properties: [:])
  /// What both sides agreed to; before tuning, what the protocol assumes.
  private(set) var limits = ConnectionLimits(channelMax: 0, frameMax: 131_072, heartbeat: 0)

  init(_ configuration: ConnectionConfiguration, proof: Proof) {
    self.configuration = configuration
    self.proof = proof
  }

  /// The socket is connected.
  mutating func connected() -> Action {
    state = .waitingForStart
    return .send([.protocolHeader])
  }

  /// The broker has sent something.
  mutating func received(_ method: InboundMethod) throws(AMQPError) -> Action {
    switch (state, method) {
    case (_, .connectionClose(let code, let text)):
      throw .login(code: code, text: text)
    case (.waitingForStart, .start(let properties, let mechanisms)):
      broker = BrokerInfo(properties: properties)
      guard mechanisms.contains(proof.mechanism) else {
        throw .login(
          code: 0,
          text: "it does not offer the mechanism \(proof.mechanism), only "
            + mechanisms.joined(separator: ", "))
      }
      state = .waitingForTune
      return .send([
        .startOk(
          properties: configuration.clientProperties, mechanism: proof.mechanism,
          response: proof.response)
      ])
    case (.waitingForTune, .tune(let channelMax, let frameMax, let heartbeat)):
      limits = ConnectionLimits(
        channelMax: Self.least(channelMax, configuration.channelMax, none: .max),
        frameMax: Int(Self.least(frameMax, configuration.frameMax, none: UInt32(Int32.max))),
        // 0 of ours turns them off, 0 of the broker's leaves it to us.
        heartbeat: configuration.heartbeat == 0
          ? 0 : Self.least(heartbeat, configuration.heartbeat, none: 0))
      guard limits.frameMax >= 4_096 else {
        throw .connect("frames of \(limits.frameMax) bytes, AMQP demands at least 4096")
      }
      guard limits.channelMax >= ConnectionConfiguration.leastChannels else {
        throw .connect(
          "the broker allows \(limits.channelMax) channels (channel_max), at least "
            + "\(ConnectionConfiguration.leastChannels) are needed")
      }
      state = .waitingForOpen
      return .send([
        .tuneOk(limits), .connectionOpen(virtualHost: configuration.virtualHost),
      ])
    case (.waitingForOpen, .connectionOpenOk):
      state = .done
      return .done
    case (.waitingForTune, .secure):
      throw .login(code: 0, text: "it asks for more than \(proof.mechanism) can answer")
    default:
      throw .protocolViolation("\(method) while logging in")
    }
  }

  /// The smaller of two limits, of which 0 is none.
  private static func least<Number: FixedWidthInteger>(
    _ left: Number, _ right: Number, none: Number
  ) -> Number {
    let limits = [left, right].filter { $0 != 0 }
    return limits.min() ?? none
  }

  /// Why the log-in failed, when the connection was lost or fell silent during it.
  func failure(_ error: AMQPError, at endpoint: String) -> AMQPError {
    switch error {
    case .socket where configuration.tls == nil:
      .connect("\(endpoint): closed while logging in; does that port speak plain AMQP 0-9-1?")
    case .socket:
      .tls("\(endpoint): closed while logging in; does the broker want a client certificate?")
    case .protocolViolation(let what):
      .connect("\(endpoint): it does not speak AMQP 0-9-1 (\(what))")
    case .timeout: .connect("\(endpoint): no log-in within \(configuration.connectTimeout)")
    default: error
    }
  }
}

/// Watches over the heartbeats of both sides (specification, section 4.2.7). A value: it is told the
/// time.
struct Liveness {
  enum Verdict: Equatable {
    case fine
    /// Nothing has been sent for so long that the peer may worry.
    case sendHeartbeat
    /// Nothing has come for so long that nobody can be there.
    case dead(silence: Duration)
  }

  /// What both sides agreed to; zero is none.
  let interval: Duration
  private(set) var lastReceived: ContinuousClock.Instant
  private var lastSent: ContinuousClock.Instant

  init(seconds: UInt16, now: ContinuousClock.Instant) {
    interval = .seconds(Int64(seconds))
    lastReceived = now
    lastSent = now
  }

  /// Something has come; or nothing is read for now, and the peer cannot be blamed for it.
  mutating func received(_ now: ContinuousClock.Instant) { lastReceived = now }

  /// Something has been sent.
  mutating func sent(_ now: ContinuousClock.Instant) { lastSent = now }

  /// When to look again.
  var next: ContinuousClock.Instant? {
    guard interval > .zero else { return nil }
    return min(lastSent + interval / 2, lastReceived + interval * 2)
  }

  /// `hasOutput`: whether something waits to be sent, behind which a heartbeat would be stuck.
  mutating func check(_ now: ContinuousClock.Instant, hasOutput: Bool) -> Verdict {
    guard interval > .zero else { return .fine }
    let silence = now - lastReceived
    if silence >= interval * 2 { return .dead(silence: silence) }
    guard now - lastSent >= interval / 2 else { return .fine }
    lastSent = now
    // The broker is not judged by whether it reads: it may be blocked, and says that it lives.
    return hasOutput ? .fine : .sendHeartbeat
  }
}

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
