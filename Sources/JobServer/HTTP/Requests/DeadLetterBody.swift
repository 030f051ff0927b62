import Foundation
import HummingbirdCore
import Jobs

/// The query of `GET /dead_letters` and `GET /dead_letters/groups`.
struct DeadLetterListQuery: Equatable {
  static let filterNames = ["state", "reason", "type", "queue", "pointer", "since", "until"]

  let filter: DeadLetterFilter

  init(_ query: QueryParameters) throws(APIProblem) {
    var filter = DeadLetterFilter(
      reason: query["reason"], type: query["type"], queue: query["queue"],
      pointer: query["pointer"])
    if let text = query["state"] {
      guard let state = DeadLetterState(rawValue: text) else {
        let known = DeadLetterState.allCases.map(\.rawValue).joined(separator: ", ")
        throw .parameter("state", "takes \(known)", text)
      }
      filter.state = state
    }
    filter.since = try Self.moment("since", query)
    filter.until = try Self.moment("until", query)
    self.filter = filter
  }

  private static func moment(
    _ name: String, _ query: QueryParameters
  ) throws(APIProblem) -> Timestamp? {
    guard query[name] != nil else { return nil }
    let range = Int(JobSubmission.moments.lowerBound)...Int(JobSubmission.moments.upperBound)
    return Timestamp(milliseconds: Int64(try query.integer(name, in: range, default: 0)))
  }

  /// Where the list goes on.
  static func place(_ text: String?) throws(APIProblem) -> Int64? {
    guard let text else { return nil }
    guard let place = Int64(text), place >= 0 else {
      throw .parameter("after", "must be the next of an earlier answer", text)
    }
    return place
  }
}

/// The body of `POST /dead_letters/redrive` and `POST /dead_letters/drop`.
struct DeadLetterBody: Equatable {
  static let members = ["ids", "filter", "dry_run", "limit", "after"]
  static let mostLetters = 1000
  static let standardLimit = 100

  let selection: DeadLetterOperations.Selection

  /// - Parameter needsFilter: whether a filter has to exclude something.
  init(
    parsing bytes: some Collection<UInt8>, needsFilter: Bool
  ) throws(APIProblem) {
    var reader = try MemberReader(
      parsing: bytes, known: Self.members, example: #"{"filter": {"reason": "unknown-type"}}"#)
    let ids = reader.uuids("ids", most: Self.mostLetters)
    let value = reader.object("filter")
    let isDryRun = reader.flag("dry_run") ?? false
    let limit = reader.integer("limit", in: 1...Int64(Self.mostLetters))
    let after = reader.string("after")
    let filter = try value.map { value throws(APIProblem) in try Self.filter(value) }
    var place: Int64?
    if let after {
      place = Int64(after)
      if (place ?? -1) < 0 {
        reader.note("the member after must be the next of an earlier answer")
      }
    }
    switch (ids, filter) {
    case (nil, nil):
      reader.note(
        "which letters? one of the members ids and filter has to be there; {} as filter is all that"
          + " wait")
    case (.some, .some): reader.note("the members ids and filter exclude each other")
    case (.some, nil) where limit != nil || after != nil:
      reader.note("the members limit and after are for letters that a filter chooses")
    case (nil, let filter?) where needsFilter && filter.isEmpty:
      reader.note(
        "the member filter must exclude something where letters are dropped: "
          + DeadLetterListQuery.filterNames.joined(separator: ", "))
    default: break
    }
    try reader.finish()
    var meant = filter ?? DeadLetterFilter()
    if meant.state == nil { meant.state = .waiting }
    selection = DeadLetterOperations.Selection(
      choice: ids.map { .ids($0) } ?? .filter(meant, after: place), isDryRun: isDryRun,
      limit: limit.map { Int($0) } ?? Self.standardLimit)
  }

  private static func filter(_ value: JSONValue) throws(APIProblem) -> DeadLetterFilter {
    var reader = try MemberReader(
      value, of: "the filter", in: "filter.", known: DeadLetterListQuery.filterNames)
    func moment(_ name: String, _ reader: inout MemberReader) -> Timestamp? {
      reader.integer(name, in: JobSubmission.moments, unit: "Unix milliseconds")
        .map(Timestamp.init(milliseconds:))
    }
    let state: DeadLetterState? = reader.choice("state")
    let filter = DeadLetterFilter(
      state: state, reason: reader.string("reason"), type: reader.string("type"),
      queue: reader.string("queue"), pointer: reader.string("pointer"),
      since: moment("since", &reader), until: moment("until", &reader))
    try reader.finish()
    return filter
  }
}
