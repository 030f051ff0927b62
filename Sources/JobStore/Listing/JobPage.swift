public import Jobs

/// One page of a list of jobs.
public struct JobPage: Sendable, Hashable {
  public let jobs: [Job]
  /// How many jobs the query finds, on all pages.
  public let total: Int
  /// From 1.
  public let page: Int
  public let pageSize: Int

  public init(jobs: [Job], total: Int, page: Int, pageSize: Int) {
    self.jobs = jobs
    self.total = total
    self.page = page
    self.pageSize = pageSize
  }
}
