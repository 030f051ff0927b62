package import Foundation

extension JobQuery {
  /// How many of the jobs that were found are shown.
  ///
  /// - Parameter sizes: the bytes of each one's params and result.
  /// - Throws: ``StoreError/unfit(_:)`` when it would not be the page that was asked for.
  package func shown(of sizes: [Int]) throws(StoreError) -> Int {
    var bytes = 0
    let fitting = sizes.prefix { size in
      bytes += size
      return bytes <= Self.mostBytes
    }.count
    guard fitting < sizes.count else { return sizes.count }
    guard canBeCut else {
      guard sizes.count > 1 else { return 1 }
      throw .unfit(
        "the \(sizes.count) jobs of this page have more than \(Self.mostBytes >> 20) MiB of params"
          + " and results: ask for smaller pages")
    }
    return max(1, fitting)
  }

  /// Whether the list goes on where it is cut, by its cursor. The next page would not begin there.
  private var canBeCut: Bool {
    switch part {
    case .after: true
    case .start: order.field == .createdAt
    case .page: false
    }
  }
}

/// Which jobs are to be listed, in what order, and which part of them.
package struct JobQuery: Sendable, Hashable {
  /// How many jobs a page may hold.
  package static let pageSizes = 1...1000
  /// How many jobs may be found by a query that is ordered by something else than their creation: they are sorted each time.
  package static let mostToSort = 10_000
  /// How many bytes the params and results of one part may have together; one job is always shown, whatever it has.
  package static let mostBytes = 16 << 20

  /// Only this tenant's; `nil` for everyone's.
  package var tenant: UUID?
  /// Only jobs in one of these; empty for any.
  package var statuses: Set<JobStatus>
  package var type: JobTypeID?
  package var queue: JobQueueName?
  /// Only jobs that somebody may see.
  package var scope = JobScope.all
  package var order: JobOrder
  package var part: Part
  package var pageSize: Int

  /// Which of the jobs that are found.
  package enum Part: Sendable, Hashable {
    /// The first, as far as ``JobQuery/mostBytes`` allow; what follows is to be asked for with ``after(_:)``.
    case start
    /// From 1. It costs the more the higher it is.
    case page(Int)
    /// What follows a job, by the ``JobPage/next`` of an earlier answer: the millionth page costs what the first does. Only
    /// for lists that are ordered by creation.
    case after(JobCursor)
  }

  /// Numbers out of range are taken to the nearest one in range.
  package init(
    tenant: UUID? = nil, statuses: Set<JobStatus> = [], type: JobTypeID? = nil,
    queue: JobQueueName? = nil, order: JobOrder = .standard, page: Int = 1, pageSize: Int = 50
  ) {
    self.init(
      tenant: tenant, statuses: statuses, type: type, queue: queue, order: order,
      part: .page(max(1, page)), pageSize: pageSize)
  }

  package init(
    tenant: UUID? = nil, statuses: Set<JobStatus> = [], type: JobTypeID? = nil,
    queue: JobQueueName? = nil, order: JobOrder = .standard, part: Part, pageSize: Int = 50
  ) {
    self.tenant = tenant
    self.statuses = statuses
    self.type = type
    self.queue = queue
    self.order = order
    self.part = part
    self.pageSize = min(max(pageSize, Self.pageSizes.lowerBound), Self.pageSizes.upperBound)
  }
}

/// A place in a list of jobs: that of the last one that was shown. What it holds is the store's own.
package struct JobCursor: Sendable, Hashable, LosslessStringConvertible {
  package let description: String

  /// - Returns: `nil` for what no store gives away: it takes 1 to 64 of the characters a-z A-Z 0-9 _ -.
  package init?(_ description: String) {
    guard (try? JobName.validate(description, of: "cursor")) != nil else { return nil }
    self.description = description
  }
}

/// In which order jobs are listed: by a field, and jobs that are equal in it by when they came into the store.
package struct JobOrder: Sendable, Hashable, LosslessStringConvertible {
  /// What jobs can be ordered by, with the names that the API gives these fields.
  package enum Field: String, Sendable, Hashable, CaseIterable {
    case id
    /// When they came into the store: the one order that needs no sorting.
    case createdAt = "created_at"
    case scheduledAt = "scheduled_at"
    case updatedAt = "updated_at"
    /// Jobs that have not started come before all others.
    case startedAt = "started_at"
    /// By the status's name; within one status by `scheduled_at`.
    case status
    case type
    case queue
  }

  package let field: Field
  package let isDescending: Bool

  package init(_ field: Field, descending: Bool = false) {
    self.field = field
    self.isDescending = descending
  }

  /// Reads an order as the API writes it, `scheduled_at` or, descending, `-scheduled_at`; anything else is `nil`.
  package init?(_ text: String) {
    let isDescending = text.hasPrefix("-")
    guard let field = Field(rawValue: String(text.dropFirst(isDescending ? 1 : 0))) else {
      return nil
    }
    self.init(field, descending: isDescending)
  }

  /// As the API writes it.
  package var description: String { (isDescending ? "-" : "") + field.rawValue }

  /// The newest job comes first.
  package static let standard = JobOrder(.createdAt, descending: true)

  /// The names of the fields, for error messages.
  package static let fieldNames = Field.allCases.map(\.rawValue)
}

/// One part of a list of jobs: as many as were asked for, as far as there are so many and ``JobQuery/mostBytes`` allow. What
/// follows a job is cut there, and so is the start of a list that has a ``next`` to go on with. A page is not, since the one after
/// it would not begin where this one was cut: it is refused as ``StoreError/unfit(_:)``.
package struct JobPage: Sendable, Hashable {
  package let jobs: [Job]
  /// How many jobs the query finds, on all pages.
  package let total: Int
  /// Where the list goes on; `nil` at its end, and where it is not ordered by creation.
  package let next: JobCursor?

  package init(jobs: [Job], total: Int, next: JobCursor? = nil) {
    self.jobs = jobs
    self.total = total
    self.next = next
  }
}

/// How many jobs of a queue have a status.
package struct QueueCount: Sendable, Hashable {
  package let queue: JobQueueName
  package let status: JobStatus
  /// Whether they wait for a time that had not come when they were looked at last; only of those that wait.
  package let isLater: Bool
  package let count: Int

  package init(queue: JobQueueName, status: JobStatus, isLater: Bool = false, count: Int) {
    self.queue = queue
    self.status = status
    self.isLater = isLater
    self.count = count
  }
}

/// What the store has been told of groups, types and queues, each sorted by name.
package struct StoredCatalog: Sendable, Hashable {
  package let groups: [JobGroup]
  package let types: [JobTypeDescription]
  package let queues: [JobQueue]

  package init(groups: [JobGroup], types: [JobTypeDescription], queues: [JobQueue]) {
    self.groups = groups
    self.types = types
    self.queues = queues
  }
}
