public import Foundation

/// Dead letters of a tenant, the newest first: the answer to `GET /dead_letters`.
public struct DeadLetterList: Sendable, Hashable, Codable {
  /// The most that one page has.
  public let pageSize: Int
  /// From 1.
  public let pageNumber: Int
  /// How many there are on all pages.
  public let total: Int
  /// Where the list goes on, to be asked for with `after`; `nil` at its end.
  public let next: String?
  /// Those of this page.
  public let deadLetters: [DeadLetterRecord]

  /// What a server answers with.
  public init(
    pageSize: Int, pageNumber: Int, total: Int, next: String? = nil,
    deadLetters: [DeadLetterRecord]
  ) {
    self.pageSize = pageSize
    self.pageNumber = pageNumber
    self.total = total
    self.next = next
    self.deadLetters = deadLetters
  }

  private enum CodingKeys: String, CodingKey {
    case total, next
    case pageSize = "page_size"
    case pageNumber = "page_number"
    case deadLetters = "dead_letters"
  }
}

/// Dead letters with one cause.
public struct DeadLetterGroup: Sendable, Hashable, Codable {
  /// Why they were refused.
  public let reason: String
  /// Where in the params, as a JSON pointer; `nil` where it is not the params. A letter with several violations is in several groups.
  public let pointer: String?
  /// How many letters.
  public let count: Int
  /// When the first of them came.
  public let oldest: Timestamp
  /// When the last of them came.
  public let newest: Timestamp

  /// What a server answers with.
  public init(reason: String, pointer: String?, count: Int, oldest: Timestamp, newest: Timestamp) {
    self.reason = reason
    self.pointer = pointer
    self.count = count
    self.oldest = oldest
    self.newest = newest
  }
}

/// The answer to `GET /dead_letters/groups`: the largest first.
public struct DeadLetterGroupList: Sendable, Hashable, Codable {
  /// The groups.
  public let groups: [DeadLetterGroup]

  /// What a server answers with.
  public init(groups: [DeadLetterGroup]) {
    self.groups = groups
  }
}

/// The message of a dead letter.
public struct DeadLetterMessage: Sendable, Hashable, Codable {
  /// AMQP's properties by their names, as in `message_id`, without headers.
  public let properties: [String: JSONValue]
  /// The headers. What JSON does not have is text: bytes by base64.
  public let headers: [String: JSONValue]
  /// The body, where it is JSON.
  public let body: JSONValue?
  /// The body by base64, where it is no JSON.
  public let bodyBase64: String?

  /// What a server answers with.
  public init(
    properties: [String: JSONValue], headers: [String: JSONValue], body: JSONValue?,
    bodyBase64: String?
  ) {
    self.properties = properties
    self.headers = headers
    self.body = body
    self.bodyBase64 = bodyBase64
  }

  private enum CodingKeys: String, CodingKey {
    case properties, headers, body
    case bodyBase64 = "body_base64"
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    properties = try container.decode([String: JSONValue].self, forKey: .properties)
    headers = try container.decode([String: JSONValue].self, forKey: .headers)
    // A body that is `null` is one.
    body =
      container.contains(.body) ? try container.decode(JSONValue.self, forKey: .body) : nil
    bodyBase64 = try container.decodeIfPresent(String.self, forKey: .bodyBase64)
  }
}

/// A dead letter as a whole: the answer to `GET /dead_letters/{id}`.
public struct DeadLetterDetail: Sendable, Hashable, Codable {
  /// What is known of it.
  public let letter: DeadLetterRecord
  /// As it was sent.
  public let message: DeadLetterMessage
  /// As it would be published now, where it was edited.
  public let edited: DeadLetterMessage?

  /// What a server answers with.
  public init(letter: DeadLetterRecord, message: DeadLetterMessage, edited: DeadLetterMessage?) {
    self.letter = letter
    self.message = message
    self.edited = edited
  }

  private enum CodingKeys: String, CodingKey {
    case message, edited
  }

  public init(from decoder: any Decoder) throws {
    letter = try DeadLetterRecord(from: decoder)
    let container = try decoder.container(keyedBy: CodingKeys.self)
    message = try container.decode(DeadLetterMessage.self, forKey: .message)
    edited = try container.decodeIfPresent(DeadLetterMessage.self, forKey: .edited)
  }

  public func encode(to encoder: any Encoder) throws {
    try letter.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(message, forKey: .message)
    try container.encodeIfPresent(edited, forKey: .edited)
  }
}

/// What has become of one dead letter of several, or would become of it.
public struct DeadLetterResult: Sendable, Hashable, Codable {
  /// What it is.
  public enum Outcome: String, Sendable, Hashable, Codable, CaseIterable {
    /// It was published again; what becomes of it is seen in the letter.
    case sent
    /// It would be accepted now.
    case acceptable
    /// It would be refused now, and was left where it is.
    case refused
    /// The broker did not take it, or it is not known whether it did. Once more is safe.
    case failed
    /// It is gone.
    case dropped
    /// It would be gone.
    case droppable
    /// Its state does not allow it.
    case held
    /// There is none of this id.
    case unknown
  }

  /// Which letter.
  public let id: UUID
  /// What has become of it.
  public let outcome: Outcome
  /// Why it is refused, for programs.
  public var reason: String?
  /// Why, for people.
  public var detail: String?
  /// What is wrong with its params.
  public var errors: [ParamsViolation]?
  /// The job that it has become, or that it would repeat.
  public var job: JobID?

  /// What a server answers with.
  public init(
    id: UUID, _ outcome: Outcome, reason: String? = nil, detail: String? = nil,
    errors: [ParamsViolation]? = nil, job: JobID? = nil
  ) {
    self.id = id
    self.outcome = outcome
    self.reason = reason
    self.detail = detail
    self.errors = errors
    self.job = job
  }

  private enum CodingKeys: String, CodingKey {
    case id, outcome, reason, detail, errors
    case job = "job_id"
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(id.uuidString.lowercased(), forKey: .id)
    try container.encode(outcome, forKey: .outcome)
    try container.encodeIfPresent(reason, forKey: .reason)
    try container.encodeIfPresent(detail, forKey: .detail)
    try container.encodeIfPresent(errors, forKey: .errors)
    try container.encodeIfPresent(job, forKey: .job)
  }
}

/// What has become of several dead letters: the answer to `POST /dead_letters/redrive` and `POST /dead_letters/drop`.
public struct DeadLetterResults: Sendable, Hashable, Codable {
  /// Whether nothing was done.
  public let dryRun: Bool
  /// How many letters are meant in all.
  public let matching: Int
  /// Where to go on, with `after`; `nil` when each that is meant has been looked at.
  public let next: String?
  /// Of each its own.
  public let results: [DeadLetterResult]

  /// What a server answers with.
  public init(dryRun: Bool, matching: Int, next: String?, results: [DeadLetterResult]) {
    self.dryRun = dryRun
    self.matching = matching
    self.next = next
    self.results = results
  }

  private enum CodingKeys: String, CodingKey {
    case matching, next, results
    case dryRun = "dry_run"
  }
}
