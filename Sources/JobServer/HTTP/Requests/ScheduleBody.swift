import Foundation
import HTTPTypes
import Jobs

/// The body of `POST /jobs`. Everything that is wrong with it is said at once.
struct ScheduleBody: Equatable {
  static let members = [
    "type", "params", "idempotency_key", "scheduled_at", "timeout_sec", "max_retries",
    "retry_delay_sec", "backoff", "max_retry_delay_sec", "jitter", "priority", "context",
    "webhooks",
  ]
  static let moments = JobSubmission.moments
  static let retries = JobSubmission.retries
  static let priorities =
    Int64(JobPriority.range.lowerBound)...Int64(JobPriority.range.upperBound)

  let type: JobTypeID
  let params: JSONValue
  let idempotencyKey: IdempotencyKey?
  let scheduledAt: Timestamp?
  let timeout: Duration?
  let maxRetries: Int?
  let retryDelay: Duration?
  let backoff: Backoff?
  let maxRetryDelay: Duration?
  let jitter: Double?
  let priority: Int?
  let context: [String: String]
  let webhooks: [String]

  /// - Parameter knownTypes: named when the type is none.
  /// - Throws: ``APIProblem`` when the bytes are no JSON, or its members are not what they have to be.
  init(
    parsing bytes: some Collection<UInt8>, knownTypes: @autoclosure () -> [JobTypeID]
  ) throws(APIProblem) {
    try self.init(
      reading: try MemberReader(
        parsing: bytes, known: Self.members, example: #"{"type": "group:name", "params": {}}"#),
      knownTypes: knownTypes())
  }

  /// - Parameter value: an entry of a batch.
  init(
    _ value: JSONValue, knownTypes: @autoclosure () -> [JobTypeID]
  ) throws(APIProblem) {
    try self.init(
      reading: try MemberReader(value, of: "a job", known: Self.members), knownTypes: knownTypes())
  }

  private init(
    reading reader: consuming MemberReader, knownTypes: @autoclosure () -> [JobTypeID]
  ) throws(APIProblem) {
    let typeName = reader.string("type")
    if typeName == nil { reader.require("type", "the job type, as in group:name") }
    params = reader.object("params") ?? [:]
    idempotencyKey = reader.idempotencyKey("idempotency_key")
    scheduledAt = reader.integer("scheduled_at", in: Self.moments, unit: "Unix milliseconds")
      .map(Timestamp.init(milliseconds:))
    timeout = reader.seconds("timeout_sec")
    maxRetries = reader.integer("max_retries", in: Self.retries).map { Int($0) }
    retryDelay = reader.seconds("retry_delay_sec")
    backoff = reader.choice("backoff")
    maxRetryDelay = reader.seconds("max_retry_delay_sec")
    jitter = reader.number("jitter", in: 0...1)
    priority = reader.integer("priority", in: Self.priorities).map { Int($0) }
    context = reader.texts("context") ?? [:]
    webhooks = reader.names("webhooks") ?? []
    try reader.finish()
    do {
      type = try JobTypeID(typeName ?? "")
    } catch {
      let known = knownTypes()
      throw APIProblem(
        .unknownType,
        "type: \(error); known are \(known.map(\.description).joined(separator: ", "))",
        knownTypes: known)
    }
  }

  /// What the caller wishes.
  ///
  /// - Parameter headers: the request's; what they say of a trace goes before what the body does.
  func submission(by caller: Caller, _ headers: HTTPFields = [:]) -> JobSubmission {
    var submission = JobSubmission(
      type: type, params: params, tenantID: caller.tenant, userID: caller.user,
      idempotencyKey: idempotencyKey, scheduledAt: scheduledAt, timeout: timeout,
      maxRetries: maxRetries, retryDelay: retryDelay, backoff: backoff,
      maxRetryDelay: maxRetryDelay, jitter: jitter, priority: priority,
      context: Self.traced(context, headers))
    submission.webhooks = webhooks
    return submission
  }

  private static func traced(
    _ context: [String: String], _ headers: HTTPFields
  ) -> [String: String] {
    var context = context
    for name in CarriedContext.traceHeaders {
      // One that is given several times is one list (RFC 9110, section 5.3); of a traceparent that makes a malformed one.
      guard let field = HTTPField.Name(name), let value = headers[field] else { continue }
      context[name] = value
      // The state is of no other trace.
      if name == CarriedContext.traceparent { context[CarriedContext.tracestate] = nil }
    }
    return context
  }
}

/// Reads the members of a JSON object and gathers what is wrong with them. A member that is `null` counts as left out, and one that is
/// there twice is wrong.
struct MemberReader {
  private let members: [String: JSONValue]
  /// What stands before their names in messages.
  private let place: String
  private var faults: [String] = []

  /// - Parameter example: what would be right where there is nothing.
  /// - Throws: ``APIProblem`` when the bytes are no JSON, or no object.
  init(
    parsing bytes: some Collection<UInt8>, known: [String], example: String
  ) throws(APIProblem) {
    let bytes = Data(bytes)
    guard !bytes.isEmpty else { throw .emptyBody("a JSON object, as in \(example)") }
    let value: JSONValue
    do {
      value = try JSONValue(parsing: bytes)
    } catch {
      throw APIProblem(.invalidJSON, "the body must be a JSON object: \(error)")
    }
    try self.init(value, of: "the body", known: known)
    faults += JSONRepetition.all(in: bytes.span).map(\.fault)
  }

  /// - Parameters:
  ///   - what: what the value is, as in "the body".
  ///   - place: what stands before the names of its members, as in `filter.`.
  /// - Throws: ``APIProblem`` when it is no object.
  init(
    _ value: JSONValue, of what: String, in place: String = "", known: [String]
  ) throws(APIProblem) {
    guard let members = value.members else {
      throw APIProblem(
        .invalidBody, "\(what) must be a JSON object, not \(value.kind.shown)")
    }
    self.place = place
    self.members = members.filter { $0.value != .null }
    for name in members.keys.sorted() where !known.contains(name) {
      faults.append(
        "there is no member '\(place)\(name.prefix(100))'; known are \(known.joined(separator: ", "))"
      )
    }
  }

  /// Notes that a member is missing, unless it is there.
  mutating func require(_ name: String, _ meaning: String) {
    if members[name] == nil { faults.append("the member \(place)\(name) is missing: \(meaning)") }
  }

  mutating func string(_ name: String) -> String? {
    guard let value = members[name] else { return nil }
    guard case .string(let text) = value else { return refuse(name, "a string", value) }
    return text
  }

  mutating func object(_ name: String) -> JSONValue? {
    guard let value = members[name] else { return nil }
    guard value.members != nil else { return refuse(name, "an object", value) }
    return value
  }

  mutating func texts(_ name: String) -> [String: String]? {
    guard let value = members[name] else { return nil }
    guard let members = value.members else { return refuse(name, "an object of strings", value) }
    var texts: [String: String] = [:]
    for (key, member) in members {
      guard case .string(let text) = member else {
        return refuse("\(name).\(key.prefix(100))", "a string", member)
      }
      texts[key] = text
    }
    return texts
  }

  /// An array of texts.
  mutating func names(_ name: String) -> [String]? {
    guard let value = members[name] else { return nil }
    guard case .array(let elements) = value else {
      return refuse(name, "an array of strings", value)
    }
    var names: [String] = []
    for element in elements {
      guard case .string(let text) = element else {
        return refuse(name, "an array of strings", element)
      }
      names.append(text)
    }
    return names
  }

  mutating func flag(_ name: String) -> Bool? {
    guard let value = members[name] else { return nil }
    guard case .bool(let flag) = value else { return refuse(name, "true or false", value) }
    return flag
  }

  /// What the text of a member names.
  mutating func named<Name>(
    _ name: String, _ make: (String) throws(NameError) -> Name
  ) -> Name? {
    guard let text = string(name) else { return nil }
    do throws(NameError) {
      return try make(text)
    } catch {
      faults.append("the member \(place)\(name): \(error)")
      return nil
    }
  }

  /// Several of a kind, as an array of their names.
  mutating func choices<Choice: RawRepresentable<String> & CaseIterable & Hashable>(
    _ name: String
  ) -> Set<Choice>? {
    guard let value = members[name] else { return nil }
    let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
    guard case .array(let elements) = value else {
      return refuse(name, "an array of one or several of \(known)", value)
    }
    if elements.isEmpty {
      faults.append(
        "the member \(place)\(name) must be an array of one or several of \(known), not an empty one"
      )
    }
    var choices: Set<Choice> = []
    for element in elements {
      guard case .string(let text) = element, let choice = Choice(rawValue: text) else {
        return refuse(name, "an array of one or several of \(known)", element)
      }
      choices.insert(choice)
    }
    return choices
  }

  /// Several UUIDs, as an array of texts.
  mutating func uuids(_ name: String, most: Int) -> [UUID]? {
    guard let value = members[name] else { return nil }
    let rule = "an array of 1 to \(most) UUIDs"
    guard case .array(let elements) = value, (1...most).contains(elements.count) else {
      return refuse(name, rule, value)
    }
    var ids: [UUID] = []
    for element in elements {
      guard case .string(let text) = element, let id = UUID(uuidString: text) else {
        return refuse(name, rule, element)
      }
      ids.append(id)
    }
    return ids
  }

  /// Texts, as an array.
  mutating func strings(_ name: String) -> [String]? {
    guard let value = members[name] else { return nil }
    guard case .array(let elements) = value else {
      return refuse(name, "an array of strings", value)
    }
    var texts: [String] = []
    for element in elements {
      guard case .string(let text) = element else {
        return refuse(name, "an array of strings", element)
      }
      texts.append(text)
    }
    return texts
  }

  /// Notes what else is wrong.
  mutating func note(_ fault: String) {
    faults.append(fault)
  }

  mutating func idempotencyKey(_ name: String) -> IdempotencyKey? {
    guard let value = members[name] else { return nil }
    guard case .string(let text) = value else { return refuse(name, "a string", value) }
    do {
      return try IdempotencyKey(text)
    } catch {
      faults.append("the member \(place)\(name): \(error)")
      return nil
    }
  }

  mutating func integer(
    _ name: String, in range: ClosedRange<Int64>, unit: String? = nil
  ) -> Int64? {
    guard let value = members[name] else { return nil }
    guard case .integer(let number) = value, range.contains(number) else {
      let unit = unit.map { " (\($0))" } ?? ""
      return refuse(
        name, "an integer from \(range.lowerBound) to \(range.upperBound)\(unit)", value)
    }
    return number
  }

  mutating func number(_ name: String, in range: ClosedRange<Double>) -> Double? {
    guard let value = members[name] else { return nil }
    let number: Double? =
      switch value {
      case .integer(let integer): Double(integer)
      case .number(let number): number
      default: nil
      }
    guard let number, range.contains(number) else {
      return refuse(
        name, "a number from \(range.lowerBound.shown) to \(range.upperBound.shown)", value)
    }
    return number
  }

  mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ name: String
  ) -> Choice? {
    guard let value = members[name] else { return nil }
    guard case .string(let text) = value, let choice = Choice(rawValue: text) else {
      let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
      return refuse(name, "one of \(known)", value)
    }
    return choice
  }

  mutating func seconds(_ name: String) -> Duration? {
    guard let value = members[name] else { return nil }
    let number: Double? =
      switch value {
      case .integer(let integer): Double(integer)
      case .number(let number): number
      default: nil
      }
    guard let number, let duration = Duration(checkedSeconds: number) else {
      let longest = Int64(Duration.longest.seconds)
      return refuse(name, "a number of seconds from 0 to \(longest)", value)
    }
    return duration
  }

  /// - Throws: ``APIProblem`` that names everything that was wrong.
  func finish() throws(APIProblem) {
    guard faults.isEmpty else {
      throw APIProblem(.invalidBody, faults.joined(separator: "; "))
    }
  }

  private mutating func refuse<Value>(
    _ name: String, _ expected: String, _ found: JSONValue
  ) -> Value? {
    let shown: String =
      switch found {
      case .object, .array: found.kind.shown
      default: String(found.text.prefix(100))
      }
    faults.append("the member \(place)\(name) must be \(expected), not \(shown)")
    return nil
  }
}

extension JSONKind {
  /// In a sentence.
  var shown: String {
    switch self {
    case .null: "null"
    case .boolean: "true or false"
    case .integer: "an integer"
    case .number: "a number"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }
}

extension APIProblem {
  /// - Parameter wanted: what would be right.
  static func emptyBody(_ wanted: String) -> APIProblem {
    APIProblem(.invalidJSON, "the body is empty; it must be \(wanted)")
  }
}

extension JSONRepetition {
  var fault: String { "the member \(name) is given twice" }
}
