/// A page of job groups: the answer to `GET /job_groups`.
public struct JobGroupList: Sendable, Hashable, Codable {
  /// The most that one page has.
  public let pageSize: Int
  /// From 1.
  public let pageNumber: Int
  /// The member that they are sorted by; with `-` in front, from the highest to the lowest.
  public let order: String
  /// How many there are on all pages.
  public let total: Int
  /// Those of this page.
  public let jobGroups: [JobGroup]

  /// A page; what a server answers with.
  public init(pageSize: Int, pageNumber: Int, order: String, total: Int, jobGroups: [JobGroup]) {
    self.pageSize = pageSize
    self.pageNumber = pageNumber
    self.order = order
    self.total = total
    self.jobGroups = jobGroups
  }

  private enum CodingKeys: String, CodingKey {
    case order, total
    case pageSize = "page_size"
    case pageNumber = "page_number"
    case jobGroups = "job_groups"
  }
}
