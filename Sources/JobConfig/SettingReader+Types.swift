import Jobs

extension JSONValue {
  /// The members of an object and of those in it, dotted: what a placeholder may name.
  fileprivate var paths: [String] {
    guard let members else { return [] }
    return members.sorted { $0.key < $1.key }.flatMap { name, value in
      [name] + value.paths.map { "\(name).\($0)" }
    }
  }
}

extension SettingNode {
  /// What stands at a JSON pointer; where that leads nowhere, the last that is on the way.
  fileprivate func nearest(to pointer: String) -> SettingNode {
    var node = self
    for name in JSONPointer.path(pointer) ?? [] {
      switch node.content {
      case .map(let members):
        guard let member = members.first(where: { $0.name == name }) else { return node }
        // Its name's place: that is where one looks.
        node = SettingNode(
          content: member.value.content, line: member.line, column: member.column)
      case .list(let elements):
        guard let index = Int(name), elements.indices.contains(index) else { return node }
        node = elements[index]
      case .scalar: return node
      }
    }
    return node
  }
}

extension SettingReader {
  private static let keys = [
    "name", "group", "description", "params", "params_schema", "command", "timeout", "stalled",
    "max_retries",
    "retry_delay",
    "backoff", "max_retry_delay", "jitter", "priority", "suspendable", "grace", "working_directory",
    "environment", "max_output_bytes",
  ]

  mutating func types(
    _ node: SettingNode?, groups: DeclaredGroups, checks: ConfigurationChecks
  ) -> [CommandTypeConfiguration] {
    guard let node, !node.isNull else { return [] }
    guard case .list(let elements) = node.content else {
      note(at: node, "types", "must be a list, not \(node.shown)")
      return []
    }
    var types: [CommandTypeConfiguration] = []
    var lines: [JobTypeID: Int] = [:]
    for (index, element) in elements.enumerated() {
      let key = "types[\(index)]"
      guard case .map = element.content else {
        note(at: element, key, "must be a map, not \(element.shown)")
        continue
      }
      let named = section(element, key: key, variable: nil, known: Self.keys)
      let id = id(named, groups)
      if let id {
        if let line = lines[id] {
          note(named, "name", "the job type \(id) is declared already, on line \(line)")
        } else {
          lines[id] = element.line
        }
      }
      // Read even when its name is wrong, for the sake of its other problems.
      let variable = id.map { SettingSection.variable(["types", $0.group, $0.name]) }
      let section = SettingSection(
        key: key, variable: variable, members: named.members, line: named.line,
        column: named.column)
      if let type = type(section, id, groups, checks) { types.append(type) }
    }
    return types
  }

  private mutating func id(_ section: SettingSection, _ groups: DeclaredGroups) -> JobTypeID? {
    let name = required(section, "name", "the name of the job type")
    guard let group = required(section, "group", "the group that it belongs to") else { return nil }
    guard groups.names.contains(group) else {
      note(
        section, "group",
        "there is no job group '\(group.prefix(100))'; "
          + Spelling.hint(for: group, among: groups.names))
      return nil
    }
    guard let name else { return nil }
    do {
      _ = try JobName.validateType(name)
      // A group whose own name is wrong has been noted.
      return try? JobTypeID(group: group, name: name)
    } catch {
      note(section, "name", error.description)
      return nil
    }
  }

  private mutating func required(
    _ section: SettingSection, _ name: String, _ meaning: String
  ) -> String? {
    guard isThere(section, name, meaning) else { return nil }
    return text(section, name, "a name")
  }

  /// Notes that a key is missing that has to be there.
  mutating func isThere(_ section: SettingSection, _ name: String, _ meaning: String) -> Bool {
    if has(section, name) { return true }
    note(section.place(in: file), section.key, "the key \(name) is missing: \(meaning)")
    return false
  }

  private mutating func type(
    _ section: SettingSection, _ id: JobTypeID?, _ groups: DeclaredGroups,
    _ checks: ConfigurationChecks
  ) -> CommandTypeConfiguration? {
    let text = text(section, "description", "a text") ?? ""
    let schema = schema(section)
    let command = command(section, params: schema.outline, checks)
    let timeout = duration(section, "timeout") ?? .zero
    let stalled = duration(section, "stalled") ?? .zero
    let retry = retry(section)
    let priority = integer(section, "priority", in: JobPriority.range) ?? JobPriority.standard
    let suspendable = flag(section, "suspendable") ?? false
    let grace = grace(section)
    let directory = string(section, "working_directory", "the path of a directory")
    let environment = variables(section)
    // More would be no result: output that is cut completes its job, a result that is too large fails it.
    let output = integer(section, "max_output_bytes", in: 0...JobLimits.result) ?? 64 << 10
    guard let id, let group = groups.usable[id.group], let command else { return nil }
    let description = JobTypeDescription(
      id: id, description: text, timeout: timeout, stallTimeout: stalled, retry: retry,
      priority: priority, params: schema.defaults, schema: schema, suspendable: suspendable)
    return CommandTypeConfiguration(
      group: group, description: description, command: command, grace: grace,
      workingDirectory: directory, environment: environment, maxOutputBytes: output)
  }

  private mutating func grace(_ section: SettingSection) -> Duration {
    let grace = duration(section, "grace") ?? .seconds(5)
    guard grace <= .seconds(86_400) else {
      note(section, "grace", "must be a day at most: 1d")
      return .seconds(86_400)
    }
    return grace
  }

  private mutating func retry(_ section: SettingSection) -> RetryPolicy {
    var policy = RetryPolicy.never
    policy.maxRetries = integer(section, "max_retries", in: 0...1_000_000) ?? policy.maxRetries
    policy.delay = duration(section, "retry_delay") ?? policy.delay
    policy.backoff = choice(section, "backoff") ?? policy.backoff
    policy.maxDelay = duration(section, "max_retry_delay") ?? policy.maxDelay
    policy.jitter = number(section, "jitter", in: 0...1) ?? policy.jitter
    return policy
  }

  /// The schema that is given, or that of the defaults; these are part of it.
  private mutating func schema(_ section: SettingSection) -> ParamsSchema {
    let params = params(section)
    guard let node = section["params_schema"], !node.isNull else {
      return ParamsSchema(defaults: params)
    }
    guard case .map = node.content else {
      note(section, "params_schema", "must be a map, as JSON Schema has it, not \(node.shown)")
      return .anything
    }
    var builder = SchemaBuilder(node.json)
    let hasOwn = builder.defaultValue != nil
    if let given = params.members, !given.isEmpty {
      guard !hasOwn else {
        note(
          section, "params",
          "the defaults are in params_schema already, as its `default`; give them in one place")
        return .anything
      }
      builder.defaultValue = params
    }
    do throws(SchemaError) {
      return try ParamsSchema(builder)
    } catch {
      for problem in error.problems {
        if problem.pointer == "/default", !hasOwn {
          note(section, "params", "the defaults do not fit params_schema: \(problem.message)")
        } else {
          note(
            at: node.nearest(to: problem.pointer), section.key("params_schema") + problem.pointer,
            [problem.keyword, problem.message].compactMap(\.self).joined(separator: " "))
        }
      }
      if error.more > 0 {
        note(section, "params_schema", "there are \(error.more) problems more")
      }
      return .anything
    }
  }

  private mutating func params(_ section: SettingSection) -> JSONValue {
    guard let node = section["params"], !node.isNull else { return [:] }
    guard case .map = node.content else {
      note(section, "params", "must be a map of the params' defaults, not \(node.shown)")
      return [:]
    }
    return node.json
  }

  private mutating func command(
    _ section: SettingSection, params: JSONValue, _ checks: ConfigurationChecks
  ) -> [String]? {
    guard let node = section["command"], !node.isNull else {
      note(
        section.place(in: file), section.key,
        "the key command is missing: the program and its arguments, as in [sha256sum, \"{path}\"]")
      return nil
    }
    guard case .list(let elements) = node.content else {
      note(section, "command", "must be a list of words, as in [sha256sum, \"{path}\"]")
      return nil
    }
    var words: [String] = []
    for element in elements {
      // Null too: an argument that is empty is written "".
      guard case .scalar(let scalar) = element.content, !element.isNull else {
        note(
          at: element, section.key("command"), "an argument must be a word, not \(element.shown)")
        return nil
      }
      words.append(scalar.text)
    }
    guard let program = words.first, !program.isEmpty else {
      note(section, "command", "must not be empty: its first word is the program to run")
      return nil
    }
    for problem in checks.command(words, params) { note(section, "command", problem) }
    for name in checks.undeclared(words, params) {
      guard let meant = Spelling.near(name, among: params.paths) else { continue }
      warn(
        section, "command",
        "{\(name)} is no param of this type, so that it is left as it is; did you mean {\(meant)}?")
    }
    return words
  }

  private mutating func variables(_ section: SettingSection) -> [String: String] {
    guard let node = section["environment"] else { return [:] }
    let given = self.section(
      node, key: section.key("environment"), variable: nil, known: nil)
    var variables: [String: String] = [:]
    for member in given.members {
      guard !member.name.isEmpty, !member.name.contains("="), !member.name.utf8.contains(0) else {
        note(
          .file(file, line: member.line, column: member.column), given.key,
          "'\(member.name.prefix(100))' is no name of a variable")
        continue
      }
      guard case .scalar(let scalar) = member.value.content, !scalar.text.utf8.contains(0) else {
        note(at: member.value, given.key(member.name), "must be a text, not \(member.value.shown)")
        continue
      }
      variables[member.name] = member.value.isNull ? "" : scalar.text
    }
    return variables
  }
}

extension SettingReader {
  mutating func groups(_ node: SettingNode?, queues: [JobQueueName]) -> DeclaredGroups {
    let declared = section(
      node, key: "groups", variable: SettingSection.variable(["groups"]), known: nil)
    var groups = DeclaredGroups()
    for member in declared.members {
      groups.names.append(member.name)
      let section = section(
        member.value, key: "groups.\(member.name.prefix(100))",
        variable: SettingSection.variable(["groups", member.name]),
        known: ["queue", "description"])
      let description = text(section, "description", "a text") ?? ""
      let queue = queue(section, among: queues)
      do {
        _ = try JobName.validate(member.name, of: "job group")
        guard member.name != JobTypeID.reservedGroup else {
          note(
            .file(file, line: member.line, column: member.column), "groups",
            "'\(member.name)' is the group of the server's own jobs; choose another name")
          continue
        }
        if let queue {
          groups.usable[member.name] = try JobGroup(
            member.name, queue: queue, description: description)
        }
      } catch {
        note(.file(file, line: member.line, column: member.column), "groups", error.description)
      }
    }
    return groups
  }

  private mutating func queue(
    _ section: SettingSection, among queues: [JobQueueName]
  ) -> JobQueueName? {
    guard has(section, "queue") else {
      note(
        section.place(in: file), section.key,
        "the key queue is missing: the job queue that its jobs wait in")
      return nil
    }
    guard let name = text(section, "queue", "the name of a job queue") else { return nil }
    guard let queue = queues.first(where: { $0.rawValue == name }) else {
      note(
        section, "queue",
        "there is no job queue '\(name.prefix(100))'; "
          + Spelling.hint(for: name, among: queues.map(\.rawValue)))
      return nil
    }
    return queue
  }
}

/// The groups of the file.
struct DeclaredGroups {
  /// Those without a fault.
  var usable: [String: JobGroup] = [:]
  /// All names, so that a type of a group with a fault is not blamed as well.
  var names: [String] = []
}
