/// The query parameters of an AMQP URL, as RabbitMQ's "URI Query Parameters" names them.
extension ConnectionURL {
  enum Parameter: String, CaseIterable {
    case heartbeat
    case connectionTimeout = "connection_timeout"
    case channelMax = "channel_max"
    case authMechanism = "auth_mechanism"
    case caCertFile = "cacertfile"
    case certFile = "certfile"
    case keyFile = "keyfile"
    case verify
    case serverNameIndication = "server_name_indication"

    var needsTLS: Bool {
      switch self {
      case .caCertFile, .certFile, .keyFile, .verify, .serverNameIndication: true
      default: false
      }
    }
  }

  func configuration() throws(AMQPError) -> ConnectionConfiguration {
    var configuration = ConnectionConfiguration(
      host: host, port: port, virtualHost: virtualHost, tls: secure ? TLSConfiguration() : nil)
    configuration.otherHosts = otherHosts.map { other in
      BrokerHost(other.name, port: other.port ?? configuration.defaultPort)
    }
    if let username { configuration.username = username }
    if let password { configuration.password = password }
    var seen: Set<Parameter> = []
    for item in query {
      guard let parameter = Parameter(rawValue: item.name) else {
        let known = Parameter.allCases.map(\.rawValue).joined(separator: ", ")
        throw .url("unknown query parameter\(quoted(item.name)), known are: \(known)")
      }
      guard seen.insert(parameter).inserted else {
        throw .url("query parameter \(parameter.rawValue) is given twice")
      }
      guard secure || !parameter.needsTLS else {
        throw .url("query parameter \(parameter.rawValue) is for TLS: use amqps://")
      }
      try apply(parameter, item.value, to: &configuration)
    }
    do {
      try configuration.check()
    } catch {
      throw .url(error.description)
    }
    return configuration
  }

  /// The name of an unknown parameter, behind a space, if it looks like a name: so that a misspelt
  /// one is found. With an '@' in the query it may be part of a password that contains a '?', and is
  /// left out.
  private func quoted(_ name: String) -> String {
    let isName = name.utf8.allSatisfy { byte in
      byte == UInt8(ascii: "_") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
    }
    let hasAt = query.contains { $0.name.contains("@") || $0.value.contains("@") }
    return isName && !hasAt && name.utf8.count <= 40 ? " " + name : ""
  }

  private func apply(
    _ parameter: Parameter, _ value: String, to configuration: inout ConnectionConfiguration
  ) throws(AMQPError) {
    switch parameter {
    case .heartbeat:
      configuration.heartbeat = try number(value, parameter, "seconds", 0...UInt16.max)
    case .connectionTimeout:
      let milliseconds = try number(
        value, parameter, "milliseconds", 1...3_600_000 as ClosedRange<UInt32>)
      configuration.connectTimeout = .milliseconds(milliseconds)
    case .channelMax:
      configuration.channelMax = try number(value, parameter, "channels", 0...UInt16.max)
    case .authMechanism:
      guard let mechanism = Authentication(rawValue: value.lowercased()) else {
        let known = Authentication.allCases.map(\.rawValue).joined(separator: ", ")
        throw .url("unknown auth_mechanism, known are: \(known)")
      }
      configuration.authentication = mechanism
    case .caCertFile: configuration.tls?.caCertificateFile = try file(value, parameter)
    case .certFile: configuration.tls?.certificateFile = try file(value, parameter)
    case .keyFile: configuration.tls?.keyFile = try file(value, parameter)
    case .verify:
      switch value {
      case "verify_peer": configuration.tls?.verifyPeer = true
      case "verify_none": configuration.tls?.verifyPeer = false
      default: throw .url("verify must be verify_peer or verify_none")
      }
    case .serverNameIndication:
      guard !value.isEmpty, !value.utf8.contains(0) else {
        throw .url("server_name_indication must be a host name")
      }
      configuration.tls?.serverName = value
    }
  }

  private func number<Number: FixedWidthInteger>(
    _ value: String, _ parameter: Parameter, _ unit: String, _ range: ClosedRange<Number>
  ) throws(AMQPError) -> Number {
    guard let number = Number(value), range.contains(number) else {
      let allowed = "\(range.lowerBound) to \(range.upperBound) \(unit)"
      throw .url("\(parameter.rawValue) must be \(allowed)")
    }
    return number
  }

  private func file(_ value: String, _ parameter: Parameter) throws(AMQPError) -> String {
    guard !value.isEmpty, !value.utf8.contains(0) else {
      throw .url("\(parameter.rawValue) must be the path of a PEM file")
    }
    return value
  }
}
