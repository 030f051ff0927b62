import HummingbirdCore

/// The query of the lists of job types and job groups, which have one order each.
struct CatalogQuery: Equatable {
  let page: PageQuery
  /// As it was given.
  let order: String
  let isDescending: Bool

  /// - Parameter field: what the list is ordered by.
  init(_ uri: URI, field: String) throws(APIProblem) {
    let query = try QueryParameters(uri, known: PageQuery.names + ["order"])
    page = try PageQuery(query)
    order = query["order"] ?? field
    guard order == field || order == "-\(field)" else {
      throw .parameter("order", "must be \(field) or -\(field)", order)
    }
    isDescending = order != field
  }

  /// The part of an ascending list that is asked for, in the order that is asked for.
  func part<Element>(of elements: [Element]) -> [Element] {
    page.part(of: isDescending ? elements.reversed() : elements)
  }
}
