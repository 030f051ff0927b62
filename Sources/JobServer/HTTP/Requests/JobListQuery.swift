import Foundation
import HummingbirdCore
import Jobs

/// The query of `GET /jobs`.
enum JobListQuery: Equatable {
  /// Those that fit.
  case filtered(Filter)
  /// The one that a producer knows by its key.
  case idempotencyKey(IdempotencyKey)

  struct Filter: Equatable {
    let page: PageQuery
    /// The page that is asked for, what follows a place in the list, or its start.
    let part: JobQuery.Part
    let order: JobOrder
    /// Empty is any.
    let statuses: Set<JobStatus>
    let type: JobTypeID?
    let queue: JobQueueName?

    func query(tenant: UUID) -> JobQuery {
      JobQuery(
        tenant: tenant, statuses: statuses, type: type, queue: queue, order: order,
        part: part, pageSize: page.pageSize)
    }
  }

  init(_ uri: URI) throws(APIProblem) {
    let query = try QueryParameters(
      uri,
      known: PageQuery.names + ["after", "order", "status", "type", "queue", "idempotency_key"])
    if let text = query["idempotency_key"] {
      guard query.hasOnly("idempotency_key") else {
        throw APIProblem(
          .invalidParameter, "the query parameter idempotency_key stands alone, without others")
      }
      do {
        self = .idempotencyKey(try IdempotencyKey(text))
      } catch {
        throw APIProblem(
          .invalidParameter, "the query parameter idempotency_key: \(error)")
      }
      return
    }
    self = .filtered(
      Filter(
        page: try PageQuery(query), part: try Self.part(query), order: try Self.order(query),
        statuses: try Self.statuses(query), type: try Self.type(query),
        queue: try Self.queue(query)))
  }

  private static func part(_ query: QueryParameters) throws(APIProblem) -> JobQuery.Part {
    guard let text = query["after"] else {
      return query["page"] == nil ? .start : .page(try PageQuery(query).page)
    }
    guard query["page"] == nil else {
      throw APIProblem(
        .invalidParameter, "the query parameters after and page exclude each other")
    }
    guard try order(query).field == .createdAt else {
      throw APIProblem(
        .invalidParameter,
        "the query parameter after is for lists that are ordered by created_at or -created_at")
    }
    guard let cursor = JobCursor(text) else {
      throw .parameter("after", "must be the next of an earlier answer", text)
    }
    return .after(cursor)
  }

  private static func order(_ query: QueryParameters) throws(APIProblem) -> JobOrder {
    guard let text = query["order"] else { return .standard }
    guard let order = JobOrder(text) else {
      throw .parameter(
        "order",
        "must be one of \(JobOrder.fieldNames.joined(separator: ", ")), with - in front for the"
          + " reverse, as in -scheduled_at", text)
    }
    return order
  }

  static func statuses(_ query: QueryParameters) throws(APIProblem) -> Set<JobStatus> {
    guard let text = query["status"] else { return [] }
    var statuses: Set<JobStatus> = []
    for name in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let status = JobStatus(rawValue: String(name)) else {
        throw .parameter(
          "status",
          "takes "
            + JobStatus.allCases.map(\.rawValue).joined(separator: ", ")
            + ", several separated by commas", String(name))
      }
      statuses.insert(status)
    }
    return statuses
  }

  private static func type(_ query: QueryParameters) throws(APIProblem) -> JobTypeID? {
    guard let text = query["type"] else { return nil }
    do {
      return try JobTypeID(text)
    } catch {
      throw .parameter("type", "must be a job type, group:name", text)
    }
  }

  private static func queue(_ query: QueryParameters) throws(APIProblem) -> JobQueueName? {
    guard let text = query["queue"] else { return nil }
    do {
      return try JobQueueName(text)
    } catch {
      throw .parameter("queue", "must be the name of a job queue", text)
    }
  }
}
