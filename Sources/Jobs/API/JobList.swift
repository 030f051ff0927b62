/// A page of jobs: the answer to `GET /jobs`.
public struct JobList: Sendable, Hashable, Codable {
  /// The most that one page has.
  public let pageSize: Int
  /// From 1.
  public let pageNumber: Int
  /// The member that they are sorted by; with `-` in front, from the highest to the lowest.
  public let order: String
  /// How many there are on all pages.
  public let total: Int
  /// Where the list goes on, to be asked for with `after`; `nil` at its end, and where it is not ordered by `created_at`.
  public let next: String?
  /// Those of this page.
  public let jobs: [Job]

  /// A page; what a server answers with.
  public init(
    pageSize: Int, pageNumber: Int, order: String, total: Int, next: String? = nil, jobs: [Job]
  ) {
    self.pageSize = pageSize
    self.pageNumber = pageNumber
    self.order = order
    self.total = total
    self.next = next
    self.jobs = jobs
  }

  private enum CodingKeys: String, CodingKey {
    case order, total, next, jobs
    case pageSize = "page_size"
    case pageNumber = "page_number"
  }
}

extension JobList: JSONWritable {
  package func write(to writer: inout JSONWriter) {
    writer.object { writer in
      writer.name("jobs")
      writer.array(jobs) { $1.write(to: &$0) }
      if let next {
        writer.name("next")
        writer.string(next)
      }
      writer.name("order")
      writer.string(order)
      writer.name("page_number")
      writer.integer(pageNumber)
      writer.name("page_size")
      writer.integer(pageSize)
      writer.name("total")
      writer.integer(total)
    }
  }
}
