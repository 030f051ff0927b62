public import Jobs

/// Which jobs a list has, and in which order: the query of `GET /jobs`. What is `nil` or empty is left to the server.
public struct JobFilter: Sendable, Hashable {
  /// Jobs in one of these; all when it is empty.
  public var statuses: [JobStatus]
  /// Jobs of this type only.
  public var type: JobTypeID?
  /// Jobs of this queue only.
  public var queue: JobQueueName?
  /// A member of a job, with `-` in front from the highest to the lowest.
  public var order: String?
  /// From 1. The higher it is, the more it costs; see ``after``.
  public var page: Int?
  /// What follows: the `next` of an earlier answer, instead of a page. It costs the same however far the list is walked.
  public var after: String?
  /// How many on one page, 1 to 1,000; 50 when it is `nil`.
  public var pageSize: Int?

  /// A filter; what is left out excludes nothing.
  public init(
    statuses: [JobStatus] = [], type: JobTypeID? = nil, queue: JobQueueName? = nil,
    order: String? = nil, page: Int? = nil, after: String? = nil, pageSize: Int? = nil
  ) {
    self.statuses = statuses
    self.type = type
    self.queue = queue
    self.order = order
    self.page = page
    self.after = after
    self.pageSize = pageSize
  }

  var query: [(name: String, value: String)] {
    var query: [(name: String, value: String)] = []
    func add(_ name: String, _ value: String?) {
      if let value { query.append((name, value)) }
    }
    add("status", statuses.isEmpty ? nil : statuses.map(\.rawValue).joined(separator: ","))
    add("type", type?.description)
    add("queue", queue?.rawValue)
    add("order", order)
    add("page", page.map(String.init))
    add("after", after)
    add("page_size", pageSize.map(String.init))
    return query
  }
}
