import Jobs
import Logging

extension SettingReader {
  private static let keys = [
    "broker", "broker_user", "broker_password", "broker_password_file", "broker_identify", "prefix",
    "store", "http", "access", "server", "worker", "retention", "quotas", "log_level", "queues",
    "groups", "types", "webhooks",
  ]

  /// Reads everything; what is wrong stands in ``problems`` afterwards, and the default in its place.
  mutating func configuration(
    _ root: SettingNode?, checks: ConfigurationChecks
  ) -> WarrenConfiguration {
    var configuration = WarrenConfiguration()
    let top = section(root, key: "", variable: SettingSection.variable([]), known: Self.keys)
    configuration.broker = (broker(top, checks) ?? configuration.broker)
      .with(user: brokerUser(top), password: brokerPassword(top))
    configuration.identifies = flag(top, "broker_identify") ?? configuration.identifies
    configuration.prefix = prefix(top) ?? configuration.prefix
    configuration.store = string(top, "store", "the path of a file") ?? configuration.store
    configuration.logLevel = choice(top, "log_level") ?? configuration.logLevel
    configuration.http = http(top["http"])
    configuration.access = access(top["access"])
    configuration.server = server(top["server"])
    configuration.worker = worker(top["worker"])
    configuration.quotas = quotas(top["quotas"])
    configuration.queues = queues(top["queues"])
    let groups = groups(top["groups"], queues: configuration.queues.map(\.name))
    configuration.groups = groups.usable.values.sorted { $0.name < $1.name }
    configuration.types = types(top["types"], groups: groups, checks: checks)
    configuration.webhooks = webhooks(top["webhooks"])
    configuration.retention = retention(
      top["retention"], types: configuration.types.map(\.description.id))
    return configuration
  }

  private mutating func broker(
    _ top: SettingSection, _ checks: ConfigurationChecks
  ) -> BrokerAddress? {
    // The value itself is not repeated: it holds a password.
    guard let url = text(top, "broker", "an AMQP URL") else { return nil }
    guard url.hasPrefix("amqp://") || url.hasPrefix("amqps://") else {
      note(top, "broker", "must be an AMQP URL, which begins with amqp:// or amqps://")
      return nil
    }
    for problem in checks.broker(url) { note(top, "broker", problem) }
    return BrokerAddress(url)
  }

  private mutating func brokerUser(_ top: SettingSection) -> String? {
    string(top, "broker_user", "the name of a user of the broker")
  }

  /// The password that stands apart from the URL: nothing in it has to be encoded. It is in no message.
  private mutating func brokerPassword(_ top: SettingSection) -> String? {
    let file = string(top, "broker_password_file", "the path of a file with the password")
    guard let password = text(top, "broker_password", "a text") else {
      guard let file else { return nil }
      do throws(ConfigurationError) {
        return try SecretFile.read(file)
      } catch {
        for problem in error.problems { note(top, "broker_password_file", problem.message) }
        return nil
      }
    }
    guard file == nil else {
      note(top, "broker_password", "excludes broker_password_file; set one of them")
      return nil
    }
    return password
  }

  private mutating func prefix(_ top: SettingSection) -> String? {
    guard let prefix = text(top, "prefix", "a name") else { return nil }
    do {
      return try JobName.validate(prefix, of: "prefix")
    } catch {
      note(top, "prefix", error.description)
      return nil
    }
  }

  private mutating func http(_ node: SettingNode?) -> HTTPSettings {
    var settings = HTTPSettings()
    let section = section(
      node, key: "http", variable: SettingSection.variable(["http"]),
      known: [
        "host", "port", "max_body_bytes", "max_streams", "max_streams_per_tenant", "rate", "burst",
        "concurrency", "cors", "auth", "jwt", "audit_retention",
      ])
    settings.host = string(section, "host", "a host's name or address") ?? settings.host
    settings.port = integer(section, "port", in: 0...65_535) ?? settings.port
    settings.maxBodyBytes =
      integer(section, "max_body_bytes", in: 1...(8 << 20)) ?? settings.maxBodyBytes
    settings.rate = number(section, "rate", in: 0...1_000_000) ?? settings.rate
    if settings.rate > 0, settings.rate < 0.001 {
      note(section, "rate", "must be at least 0.001, one request in about 17 minutes, or 0")
    }
    settings.burst = integer(section, "burst", in: 1...1_000_000)
    settings.concurrency = integer(section, "concurrency", in: 0...100_000) ?? settings.concurrency
    if settings.burst != nil, settings.rate == 0 {
      note(
        section, "burst", "is of no use without rate, the requests that a tenant may send a second")
    }
    settings.origins = origins(section["cors"])
    settings.maxStreams = integer(section, "max_streams", in: 1...100_000) ?? settings.maxStreams
    settings.maxStreamsPerTenant = integer(section, "max_streams_per_tenant", in: 1...100_000)
    if let share = settings.maxStreamsPerTenant, share > settings.maxStreams {
      note(
        section, "max_streams_per_tenant",
        "must not be more than max_streams, \(settings.maxStreams), not \(share)")
    }
    authentication(section, &settings)
    return settings
  }

  /// The origins of `http.cors`: a list, or one alone.
  private mutating func origins(_ node: SettingNode?) -> [String] {
    let section = section(node, key: "http.cors", variable: nil, known: ["origins"])
    guard let value = section["origins"], !value.isNull else { return [] }
    var given = [value]
    if case .list(let elements) = value.content { given = elements }
    return given.compactMap { element in
      if case .scalar(let scalar) = element.content, Self.isOrigin(scalar.text) {
        return scalar.text
      }
      note(
        at: element, section.key("origins"),
        "must be an origin as browsers send it, scheme, host and port without a path, as in"
          + " https://ops.example.org, or \"*\", not \(element.shown)")
      return nil
    }
  }

  /// Whether a browser may send it: another spelling would never match.
  private static func isOrigin(_ text: String) -> Bool {
    text == "*" || text.contains(/^[a-z][a-z0-9+.-]*:\/\/[a-z0-9._\[\]:-]+$/)
  }

  private mutating func server(_ node: SettingNode?) -> ServerSettings {
    var settings = ServerSettings()
    let section = section(
      node, key: "server", variable: SettingSection.variable(["server"]), known: ["poison_limit"])
    settings.poisonLimit = integer(section, "poison_limit", in: 1...1000) ?? settings.poisonLimit
    return settings
  }

  private mutating func worker(_ node: SettingNode?) -> WorkerSettings {
    var settings = WorkerSettings()
    let section = section(
      node, key: "worker", variable: SettingSection.variable(["worker"]),
      known: ["drain_timeout", "detach_after", "stuck_limit"])
    settings.drainTimeout = duration(section, "drain_timeout") ?? settings.drainTimeout
    settings.detachAfter = duration(section, "detach_after") ?? settings.detachAfter
    settings.stuckLimit = duration(section, "stuck_limit") ?? settings.stuckLimit
    return settings
  }
}

extension SettingReader {
  /// The built-in queues and those of the file, sorted by name.
  mutating func queues(_ node: SettingNode?) -> [JobQueue] {
    let declared = section(
      node, key: "queues", variable: SettingSection.variable(["queues"]), known: nil)
    var queues = Dictionary(
      JobQueue.builtIn.map { ($0.name, $0.capacity) }, uniquingKeysWith: { first, _ in first })
    var nodes: [JobQueueName: SettingNode] = [:]
    for member in declared.members {
      do {
        let name = try JobQueueName(member.name)
        guard !name.isReserved else {
          note(
            .file(file, line: member.line, column: member.column), "queues",
            "'\(member.name)' is the name of a queue of the server's own; choose another one")
          continue
        }
        nodes[name] = member.value
        if queues[name] == nil { queues[name] = 1 }
      } catch {
        note(.file(file, line: member.line, column: member.column), "queues", error.description)
      }
    }
    return queues.sorted { $0.key < $1.key }.map { name, capacity in
      let section = section(
        nodes[name], key: "queues.\(name)",
        variable: SettingSection.variable(["queues", name.rawValue]), known: ["capacity"])
      return JobQueue(
        name: name, capacity: integer(section, "capacity", in: JobQueue.capacities) ?? capacity)
    }
  }
}

extension SettingReader {
  private static let statuses = RetentionPolicy.statuses.map(\.rawValue)
  private static let deadLetters = "dead_letters"

  /// - Parameter types: those that the file declares; workers may announce others.
  mutating func retention(_ node: SettingNode?, types: [JobTypeID]) -> RetentionPolicy {
    var policy = RetentionPolicy()
    let general = section(
      node, key: "retention", variable: SettingSection.variable(["retention"]),
      known: Self.statuses + [Self.deadLetters, "types"])
    for (status, age) in ages(general) { policy.keep(status, for: age) }
    if let age = age(general, Self.deadLetters) { policy.deadLetterAge = age }
    let own = section(general["types"], key: general.key("types"), variable: nil, known: nil)
    for member in own.members {
      let section = section(
        member.value, key: own.key(String(member.name.prefix(100))),
        variable: SettingSection.variable(["retention", "types", member.name]),
        known: Self.statuses)
      let ages = ages(section)
      do {
        let type = try JobTypeID(member.name)
        for (status, age) in ages { policy.keep(status, for: age, type: type) }
        warnOfMisspelling(type, own, types)
      } catch {
        note(.file(file, line: member.line, column: member.column), own.key, error.description)
      }
    }
    return policy
  }

  private mutating func ages(_ section: SettingSection) -> [(JobStatus, Duration)] {
    RetentionPolicy.statuses.compactMap { status in
      age(section, status.rawValue).map { (status, $0) }
    }
  }

  private mutating func age(_ section: SettingSection, _ name: String) -> Duration? {
    guard let age = duration(section, name) else { return nil }
    guard age == .zero || age >= .seconds(60) else {
      note(section, name, "must be at least 1m, or 0s, which keeps for ever")
      return nil
    }
    return age
  }

  private mutating func warnOfMisspelling(
    _ type: JobTypeID, _ section: SettingSection, _ types: [JobTypeID]
  ) {
    guard !types.contains(type),
      let meant = Spelling.near(type.description, among: types.map(\.description))
    else { return }
    warn(
      section, type.description, "no type of this file has this name; did you mean \(meant)?")
  }
}
