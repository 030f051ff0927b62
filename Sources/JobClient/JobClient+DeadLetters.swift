public import Foundation
public import Jobs
import NIOHTTP1

/// What is to be different about a dead letter's message. What is left out stays.
public struct DeadLetterChange: Sendable, Hashable, Encodable {
  /// The params: the body, as JSON.
  public var params: JSONValue?
  /// The body, whatever it is.
  public var body: Data?
  /// AMQP's properties by their names, as in `message_id`; `null` takes one away.
  public var properties: [String: JSONValue]
  /// Headers; `null` takes one away.
  public var headers: [String: JSONValue]

  /// A change.
  public init(
    params: JSONValue? = nil, body: Data? = nil, properties: [String: JSONValue] = [:],
    headers: [String: JSONValue] = [:]
  ) {
    self.params = params
    self.body = body
    self.properties = properties
    self.headers = headers
  }

  private enum CodingKeys: String, CodingKey {
    case params, properties, headers
    case body = "body_base64"
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encodeIfPresent(params, forKey: .params)
    try container.encodeIfPresent(body?.base64EncodedString(), forKey: .body)
    if !properties.isEmpty { try container.encode(properties, forKey: .properties) }
    if !headers.isEmpty { try container.encode(headers, forKey: .headers) }
  }
}

/// Which dead letters are meant.
public enum DeadLetterSelection: Sendable, Hashable {
  /// These, at most 1,000.
  case ids([UUID])
  /// Those that fit, and wait where the filter names no state: the oldest first, at most `limit`, after a place that an earlier
  /// answer has named.
  case filter(DeadLetterFilter, limit: Int? = nil, after: String? = nil)
}

extension JobClient {
  /// Dead letters, the newest first.
  ///
  /// - Parameters:
  ///   - filter: which.
  ///   - page: from 1.
  ///   - after: the `next` of an earlier answer, instead of a page.
  ///   - pageSize: how many, at most 1,000; 50 unless it is said.
  public func deadLetters(
    _ filter: DeadLetterFilter = DeadLetterFilter(), page: Int? = nil, after: String? = nil,
    pageSize: Int? = nil
  ) async throws(JobClientError) -> DeadLetterList {
    var query = filter.query
    if let page { query.append(("page", String(page))) }
    if let after { query.append(("after", after)) }
    if let pageSize { query.append(("page_size", String(pageSize))) }
    return try await connection.send(APIRequest(path: ["dead_letters"], query: query)).value
  }

  /// Dead letters by their cause, the largest group first.
  public func deadLetterGroups(
    _ filter: DeadLetterFilter = DeadLetterFilter()
  ) async throws(JobClientError) -> [DeadLetterGroup] {
    try await connection.send(
      APIRequest(path: ["dead_letters", "groups"], query: filter.query),
      as: DeadLetterGroupList.self
    ).value.groups
  }

  /// A dead letter as a whole.
  public func deadLetter(_ id: UUID) async throws(JobClientError) -> DeadLetterDetail {
    try await connection.send(APIRequest(path: ["dead_letters", id.text])).value
  }

  /// Says what is to be different about a letter that waits; the original is kept beside it.
  @discardableResult
  public func edit(
    deadLetter id: UUID, _ change: DeadLetterChange
  ) async throws(JobClientError) -> DeadLetterDetail {
    try await connection.send(
      APIRequest(
        method: .PATCH, path: ["dead_letters", id.text], body: try Self.body(change))
    ).value
  }

  /// Undoes what was edited.
  @discardableResult
  public func reset(deadLetter id: UUID) async throws(JobClientError) -> DeadLetterDetail {
    try await connection.send(
      APIRequest(
        method: .PATCH, path: ["dead_letters", id.text], body: try Self.body(["reset": true]))
    ).value
  }

  /// Publishes letters again that would be accepted now, each by itself. Asked for twice, none becomes two jobs.
  ///
  /// - Parameters:
  ///   - selection: which letters.
  ///   - dryRun: whether it is only said what would become of each.
  public func redrive(
    deadLetters selection: DeadLetterSelection, dryRun: Bool = false
  ) async throws(JobClientError) -> DeadLetterResults {
    try await send("redrive", selection, dryRun)
  }

  /// Removes letters for good.
  ///
  /// - Parameters:
  ///   - selection: which letters.
  ///   - dryRun: whether it is only said which.
  public func drop(
    deadLetters selection: DeadLetterSelection, dryRun: Bool = false
  ) async throws(JobClientError) -> DeadLetterResults {
    try await send("drop", selection, dryRun)
  }

  private struct SelectionBody: Encodable {
    var ids: [String]?
    var filter: DeadLetterFilter?
    var limit: Int?
    var after: String?
    var isDryRun: Bool

    private enum CodingKeys: String, CodingKey {
      case ids, filter, limit, after
      case isDryRun = "dry_run"
    }
  }

  private func send(
    _ action: String, _ selection: DeadLetterSelection, _ dryRun: Bool
  ) async throws(JobClientError) -> DeadLetterResults {
    var body = SelectionBody(isDryRun: dryRun)
    switch selection {
    case .ids(let ids): body.ids = ids.map(\.text)
    case .filter(let filter, let limit, let after):
      (body.filter, body.limit, body.after) = (filter, limit, after)
    }
    return try await connection.send(
      APIRequest(method: .POST, path: ["dead_letters", action], body: try Self.body(body))
    ).value
  }

  private static func body(_ value: some Encodable) throws(JobClientError) -> Data {
    do {
      return try JSONEncoder().encode(value)
    } catch {
      throw .invalidRequest("the request cannot be written as JSON: \(error)")
    }
  }
}

extension UUID {
  fileprivate var text: String { uuidString.lowercased() }
}

extension DeadLetterFilter {
  fileprivate var query: [(name: String, value: String)] {
    let members: [(String, String?)] = [
      ("state", state?.rawValue), ("reason", reason), ("type", type), ("queue", queue),
      ("pointer", pointer), ("since", since.map { String($0.milliseconds) }),
      ("until", until.map { String($0.milliseconds) }),
    ]
    return members.compactMap { name, value in value.map { (name: name, value: $0) } }
  }
}
