public import Foundation

/// Where a dead letter is in its life.
public enum DeadLetterState: String, Sendable, Hashable, Codable, CaseIterable {
  /// Its cause is to be mended.
  case waiting
  /// It was published again, and nothing has been heard of it yet.
  case redriven
  /// It was published again and taken: a job message has become a job.
  case accepted
}

/// What a dead letter was meant to be.
public enum DeadLetterKind: String, Sendable, Hashable, Codable, CaseIterable {
  /// A job message, or what is none of the others.
  case job
  /// The cancellation of a job.
  case cancel
  /// What a worker reports.
  case report
  /// Another message of Warren's own, such as a ticket. It is made again where it is needed.
  case own

  /// Whether it is a message of Warren's own, which may be about jobs of any tenant.
  package var isOwn: Bool { self == .report || self == .own }
}

/// Where the broker threw a message out, by one entry of the header `x-death`.
public struct DeadLetterDeath: Sendable, Hashable, Codable {
  /// Out of which of the broker's queues.
  public let queue: String
  /// Why: `expired`, `maxlen`, `rejected` or `delivery_limit`.
  public let reason: String
  /// How often.
  public let count: Int64

  package init(queue: String, reason: String, count: Int64) {
    self.queue = queue
    self.reason = reason
    self.count = count
  }
}

/// A message that could not be accepted, without its content.
public struct DeadLetterRecord: Sendable, Hashable {
  /// Its own id.
  public let id: UUID
  /// Whose it is; the tenant of zeros where the message does not say.
  public let tenantID: UUID
  /// Where it is in its life.
  public package(set) var state = DeadLetterState.waiting
  /// What it was meant to be.
  public let kind: DeadLetterKind
  /// Why it was refused, for programs.
  public package(set) var reason: String
  /// Why, for people.
  public package(set) var explanation: String
  /// What is wrong with the params, where it is them.
  public package(set) var errors: [ParamsViolation]
  /// The job type that it names, as it was written.
  public let type: String?
  /// The job queue that its type has, or in which it was.
  public let queue: String?
  /// The broker's queue in which it was found.
  public let foundIn: String?
  /// The exchange to which it was published, where the broker says so.
  public let exchange: String?
  /// The routing key with which it was published, where the broker says so.
  public let routingKey: String?
  /// The broker's user who sent it, where that is known.
  public let user: String?
  /// Where the broker threw it out, the last time first.
  public let deaths: [DeadLetterDeath]
  /// How often it was published again.
  public package(set) var redrives = 0
  /// The job that it has become.
  public package(set) var job: JobID?
  /// Of the body, in bytes.
  public let size: Int
  /// When it came here first.
  public let arrivedAt: Timestamp
  /// When something became of it last.
  public package(set) var updatedAt: Timestamp
  /// When it was edited last.
  public package(set) var editedAt: Timestamp?
  /// Who has edited it.
  public package(set) var editedBy: UUID?

  /// What the id of its job is derived from, where the message names none: its own id, or that of the letter which may be the same
  /// message.
  package var root: UUID

  package init(
    id: UUID, tenantID: UUID, kind: DeadLetterKind, reason: String, explanation: String,
    errors: [ParamsViolation] = [], type: String? = nil, queue: String? = nil,
    foundIn: String? = nil, exchange: String? = nil, routingKey: String? = nil,
    user: String? = nil, deaths: [DeadLetterDeath] = [], size: Int, arrivedAt: Timestamp
  ) {
    self.id = id
    self.tenantID = tenantID
    self.kind = kind
    self.reason = reason
    self.explanation = explanation
    self.errors = errors
    self.type = type
    self.queue = queue
    self.foundIn = foundIn
    self.exchange = exchange
    self.routingKey = routingKey
    self.user = user
    self.deaths = deaths
    self.size = size
    self.arrivedAt = arrivedAt
    updatedAt = arrivedAt
    root = id
  }
}

// MARK: - What becomes of it

extension DeadLetterRecord {
  /// It was published again, for the so many-th time. What was heard of that already counts more.
  package mutating func noteRedrive(count: Int, at now: Timestamp) {
    guard state != .accepted, count > redrives else { return }
    state = .redriven
    redrives = count
    updatedAt = max(now, updatedAt)
  }

  /// It was taken.
  package mutating func noteAcceptance(count: Int, job: JobID?, at now: Timestamp) {
    guard state != .accepted else { return }
    state = .accepted
    redrives = max(redrives, count)
    self.job = job
    updatedAt = max(now, updatedAt)
  }

  /// It was refused again.
  package mutating func noteRefusal(
    count: Int, reason: String, explanation: String, errors: [ParamsViolation], at now: Timestamp
  ) {
    // Of an earlier time, or what was taken in another copy.
    guard state != .accepted, count >= redrives else { return }
    state = .waiting
    redrives = count
    self.reason = reason
    self.explanation = explanation
    self.errors = errors
    updatedAt = max(now, updatedAt)
  }

  /// Says otherwise what it is to be, or the same as at first.
  ///
  /// - Parameter editor: `nil` where nothing of it is changed any more.
  package mutating func noteEdit(by editor: UUID?, at now: Timestamp) {
    editedBy = editor
    editedAt = editor == nil ? nil : now
    updatedAt = max(now, updatedAt)
  }
}

// MARK: - Stored

extension DeadLetterRecord {
  /// What has become of it: for whoever reads it from where it was kept.
  package mutating func restore(
    root: UUID, state: DeadLetterState, redrives: Int, job: JobID?, updatedAt: Timestamp,
    editedAt: Timestamp?, editedBy: UUID?
  ) {
    self.root = root
    self.state = state
    self.redrives = redrives
    self.job = job
    self.updatedAt = updatedAt
    self.editedAt = editedAt
    self.editedBy = editedBy
  }
}

// MARK: - JSON

extension DeadLetterRecord: Codable {
  private enum CodingKeys: String, CodingKey {
    case id, state, kind, reason, explanation, errors, type, queue, exchange, user, deaths, redrives
    case size
    case tenantID = "tenant_id"
    case foundIn = "found_in"
    case routingKey = "routing_key"
    case job = "job_id"
    case arrivedAt = "arrived_at"
    case updatedAt = "updated_at"
    case editedAt = "edited_at"
    case editedBy = "edited_by"
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(id.uuidString.lowercased(), forKey: .id)
    try container.encode(tenantID.uuidString.lowercased(), forKey: .tenantID)
    try container.encode(state, forKey: .state)
    try container.encode(kind, forKey: .kind)
    try container.encode(reason, forKey: .reason)
    try container.encode(explanation, forKey: .explanation)
    if !errors.isEmpty { try container.encode(errors, forKey: .errors) }
    try container.encodeIfPresent(type, forKey: .type)
    try container.encodeIfPresent(queue, forKey: .queue)
    try container.encodeIfPresent(foundIn, forKey: .foundIn)
    try container.encodeIfPresent(exchange, forKey: .exchange)
    try container.encodeIfPresent(routingKey, forKey: .routingKey)
    try container.encodeIfPresent(user, forKey: .user)
    if !deaths.isEmpty { try container.encode(deaths, forKey: .deaths) }
    try container.encode(redrives, forKey: .redrives)
    try container.encodeIfPresent(job, forKey: .job)
    try container.encode(size, forKey: .size)
    try container.encode(arrivedAt, forKey: .arrivedAt)
    try container.encode(updatedAt, forKey: .updatedAt)
    try container.encodeIfPresent(editedAt, forKey: .editedAt)
    try container.encodeIfPresent(editedBy?.uuidString.lowercased(), forKey: .editedBy)
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      id: try container.decode(UUID.self, forKey: .id),
      tenantID: try container.decode(UUID.self, forKey: .tenantID),
      kind: try container.decode(DeadLetterKind.self, forKey: .kind),
      reason: try container.decode(String.self, forKey: .reason),
      explanation: try container.decode(String.self, forKey: .explanation),
      errors: try container.decodeIfPresent([ParamsViolation].self, forKey: .errors) ?? [],
      type: try container.decodeIfPresent(String.self, forKey: .type),
      queue: try container.decodeIfPresent(String.self, forKey: .queue),
      foundIn: try container.decodeIfPresent(String.self, forKey: .foundIn),
      exchange: try container.decodeIfPresent(String.self, forKey: .exchange),
      routingKey: try container.decodeIfPresent(String.self, forKey: .routingKey),
      user: try container.decodeIfPresent(String.self, forKey: .user),
      deaths: try container.decodeIfPresent([DeadLetterDeath].self, forKey: .deaths) ?? [],
      size: try container.decode(Int.self, forKey: .size),
      arrivedAt: try container.decode(Timestamp.self, forKey: .arrivedAt))
    state = try container.decode(DeadLetterState.self, forKey: .state)
    redrives = try container.decode(Int.self, forKey: .redrives)
    job = try container.decodeIfPresent(JobID.self, forKey: .job)
    updatedAt = try container.decode(Timestamp.self, forKey: .updatedAt)
    editedAt = try container.decodeIfPresent(Timestamp.self, forKey: .editedAt)
    editedBy = try container.decodeIfPresent(UUID.self, forKey: .editedBy)
  }
}
