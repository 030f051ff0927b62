import Foundation

extension BulkFilter: Codable {
  private enum CodingKeys: String, CodingKey {
    case type, queue
    case statuses = "status"
    case createdAfter = "created_after"
    case createdBefore = "created_before"
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      statuses: try container.decodeIfPresent(Set<JobStatus>.self, forKey: .statuses) ?? [],
      type: try container.decodeIfPresent(JobTypeID.self, forKey: .type),
      queue: try container.decodeIfPresent(JobQueueName.self, forKey: .queue),
      createdAfter: try container.decodeIfPresent(Timestamp.self, forKey: .createdAfter),
      createdBefore: try container.decodeIfPresent(Timestamp.self, forKey: .createdBefore))
  }

  /// What excludes nothing is left out; statuses are sorted, so that equal filters are equal texts.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    if !statuses.isEmpty {
      try container.encode(statuses.sorted { $0.rawValue < $1.rawValue }, forKey: .statuses)
    }
    try container.encodeIfPresent(type, forKey: .type)
    try container.encodeIfPresent(queue, forKey: .queue)
    try container.encodeIfPresent(createdAfter, forKey: .createdAfter)
    try container.encodeIfPresent(createdBefore, forKey: .createdBefore)
  }
}

/// The JSON form that the API shows: times in Unix milliseconds.
extension BulkOperation: Codable {
  private enum CodingKeys: String, CodingKey {
    case id, action, filter, reason, rate, status, matching, done, skipped, failed, failures
    case tenantID = "tenant_id"
    case createdAt = "created_at"
    case updatedAt = "updated_at"
    case endedAt = "ended_at"
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(id.uuidString.lowercased(), forKey: .id)
    try container.encode(tenantID.uuidString.lowercased(), forKey: .tenantID)
    try container.encode(request.action, forKey: .action)
    try container.encode(request.filter, forKey: .filter)
    try container.encodeIfPresent(request.reason, forKey: .reason)
    try container.encodeIfPresent(request.rate, forKey: .rate)
    try container.encode(status, forKey: .status)
    try container.encode(matching, forKey: .matching)
    try container.encode(done, forKey: .done)
    try container.encode(skipped, forKey: .skipped)
    try container.encode(failed, forKey: .failed)
    try container.encode(failures, forKey: .failures)
    try container.encode(createdAt, forKey: .createdAt)
    try container.encode(updatedAt, forKey: .updatedAt)
    try container.encodeIfPresent(endedAt, forKey: .endedAt)
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      id: try container.decode(UUID.self, forKey: .id),
      tenantID: try container.decode(UUID.self, forKey: .tenantID),
      request: BulkRequest(
        action: try container.decode(BulkAction.self, forKey: .action),
        filter: try container.decode(BulkFilter.self, forKey: .filter),
        reason: try container.decodeIfPresent(String.self, forKey: .reason),
        rate: try container.decodeIfPresent(Double.self, forKey: .rate)),
      survey: BulkSurvey(
        matching: try container.decode(Int.self, forKey: .matching), last: 0),
      createdAt: try container.decode(Timestamp.self, forKey: .createdAt))
    status = try container.decode(Status.self, forKey: .status)
    done = try container.decode(Int.self, forKey: .done)
    skipped = try container.decode(Int.self, forKey: .skipped)
    failed = try container.decode(Int.self, forKey: .failed)
    failures = try container.decode([Failure].self, forKey: .failures)
    updatedAt = try container.decode(Timestamp.self, forKey: .updatedAt)
    endedAt = try container.decodeIfPresent(Timestamp.self, forKey: .endedAt)
  }
}

/// How many jobs a bulk request would be about: the answer to one with `dry_run`.
public struct BulkPreview: Sendable, Hashable, Codable {
  /// How many jobs are meant now.
  public let matching: Int

  /// What a server answers with.
  public init(matching: Int) {
    self.matching = matching
  }
}

/// The operations of a tenant, the newest first: the answer to `GET /operations`.
public struct BulkOperationList: Sendable, Hashable, Codable {
  /// The most that one page has.
  public let pageSize: Int
  /// From 1.
  public let pageNumber: Int
  /// How many there are on all pages.
  public let total: Int
  /// Those of this page.
  public let operations: [BulkOperation]

  /// What a server answers with.
  public init(pageSize: Int, pageNumber: Int, total: Int, operations: [BulkOperation]) {
    self.pageSize = pageSize
    self.pageNumber = pageNumber
    self.total = total
    self.operations = operations
  }

  private enum CodingKeys: String, CodingKey {
    case total, operations
    case pageSize = "page_size"
    case pageNumber = "page_number"
  }
}
