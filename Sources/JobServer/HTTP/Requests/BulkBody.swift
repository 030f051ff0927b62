import Foundation
import Jobs

/// The body of `POST /jobs/bulk`. Everything that is wrong with it is said at once, and all that is wrong with its filter.
struct BulkBody: Equatable {
  static let members = ["filter", "action", "reason", "dry_run", "rate", "idempotency_key"]
  static let filterMembers = ["status", "type", "queue", "created_after", "created_before"]
  static let rates = 0.01...100_000

  let request: BulkRequest
  let isDryRun: Bool
  let idempotencyKey: IdempotencyKey?

  /// - Throws: ``APIProblem`` when the bytes are no JSON, or its members are not what they have to be.
  init(parsing bytes: some Collection<UInt8>) throws(APIProblem) {
    var reader = try MemberReader(
      parsing: bytes, known: Self.members,
      example: #"{"action": "cancel", "filter": {"type": "group:name"}}"#)
    let action: BulkAction? = reader.choice("action")
    reader.require("action", "what is to be done, as in cancel")
    let value = reader.object("filter")
    reader.require("filter", "which jobs are meant; {} is all that the action takes")
    let reason = reader.string("reason")
    isDryRun = reader.flag("dry_run") ?? false
    let rate = reader.number("rate", in: Self.rates)
    idempotencyKey = reader.idempotencyKey("idempotency_key")
    if let reason, reason.count > JobCancellation.longestReason {
      reader.note("the member reason must have at most \(JobCancellation.longestReason) characters")
    }
    let filter = try value.map { value throws(APIProblem) in try Self.filter(value) }
    if let action, let filter { Self.check(filter, action, &reader) }
    try reader.finish()
    guard let action, let filter else {
      throw APIProblem(.invalidBody, "the members action and filter are missing")
    }
    request = BulkRequest(action: action, filter: filter, reason: reason, rate: rate)
  }

  private static func filter(_ value: JSONValue) throws(APIProblem) -> BulkFilter {
    var reader = try MemberReader(
      value, of: "the filter", in: "filter.", known: filterMembers)
    func moment(_ name: String, _ reader: inout MemberReader) -> Timestamp? {
      reader.integer(name, in: JobSubmission.moments, unit: "Unix milliseconds")
        .map(Timestamp.init(milliseconds:))
    }
    let filter = BulkFilter(
      statuses: reader.choices("status") ?? [],
      type: reader.named("type") { name throws(NameError) in try JobTypeID(name) },
      queue: reader.named("queue") { name throws(NameError) in try JobQueueName(name) },
      createdAfter: moment("created_after", &reader),
      createdBefore: moment("created_before", &reader))
    try reader.finish()
    return filter
  }

  /// What would do nothing is a slip, and so is to delete everything.
  private static func check(
    _ filter: BulkFilter, _ action: BulkAction, _ reader: inout MemberReader
  ) {
    let others = filter.statuses.subtracting(action.statuses).map(\.rawValue).sorted()
    if !others.isEmpty {
      let known = action.statuses.map(\.rawValue).sorted().joined(separator: ", ")
      reader.note(
        "the member filter.status: \(action.rawValue) is for jobs that are \(known), not"
          + " \(others.joined(separator: ", "))")
    }
    if action == .delete, filter.isEmpty {
      reader.note(
        "the member filter must exclude something where jobs are deleted: "
          + filterMembers.joined(separator: ", "))
    }
  }
}

/// The query of `GET /operations`.
struct OperationListQuery: Equatable {
  let page: PageQuery
  let status: BulkOperation.Status?

  init(_ query: QueryParameters) throws(APIProblem) {
    page = try PageQuery(query)
    guard let text = query["status"] else {
      status = nil
      return
    }
    guard let status = BulkOperation.Status(rawValue: text) else {
      let known = BulkOperation.Status.allCases.map(\.rawValue).joined(separator: ", ")
      throw .parameter("status", "takes \(known)", text)
    }
    self.status = status
  }
}
