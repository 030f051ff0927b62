public import Foundation
public import Jobs

/// Which jobs are to be listed, in what order, and which page of them.
public struct JobQuery: Sendable, Hashable {
  /// How many jobs a page may hold.
  public static let pageSizes = 1...1000

  /// Only this tenant's; `nil` for everyone's.
  public var tenant: UUID?
  /// Only jobs in one of these; empty for any.
  public var statuses: Set<JobStatus>
  public var type: JobTypeID?
  public var queue: JobQueueName?
  public var order: JobOrder
  /// From 1.
  public var page: Int
  public var pageSize: Int

  /// Numbers out of range are taken to the nearest one in range.
  public init(
    tenant: UUID? = nil, statuses: Set<JobStatus> = [], type: JobTypeID? = nil,
    queue: JobQueueName? = nil, order: JobOrder = .standard, page: Int = 1, pageSize: Int = 50
  ) {
    self.tenant = tenant
    self.statuses = statuses
    self.type = type
    self.queue = queue
    self.order = order
    self.page = max(1, page)
    self.pageSize = min(max(pageSize, Self.pageSizes.lowerBound), Self.pageSizes.upperBound)
  }
}
