/// Which part of a list is asked for.
struct PageQuery: Equatable {
  static let names = ["page", "page_size"]
  /// The largest leaves room for the multiplication with the largest page size.
  static let pages = 1...1_000_000_000
  static let sizes = 1...1000
  static let defaultSize = 50

  /// From 1.
  let page: Int
  let pageSize: Int

  init(_ query: QueryParameters) throws(APIProblem) {
    page = try query.integer("page", in: Self.pages, default: 1)
    pageSize = try query.integer("page_size", in: Self.sizes, default: Self.defaultSize)
  }

  /// The part of a list that is held in memory.
  func part<Element>(of elements: [Element]) -> [Element] {
    Array(elements.dropFirst((page - 1) * pageSize).prefix(pageSize))
  }
}
