import Foundation
import Jobs

/// An operation on many jobs, told to people.
enum OperationText {
  /// How far it is, in one line.
  static func line(_ operation: BulkOperation) -> String {
    "operation \(operation.id.uuidString.lowercased()) (\(operation.request.action.rawValue)) is"
      + " \(operation.status.rawValue): \(progress(operation))"
  }

  /// All that matters of it, a line each.
  static func text(_ operation: BulkOperation, now: Timestamp) -> String {
    var text =
      "\(line(operation))\nfilter  \(filter(operation.request.filter))\n"
      + "begun   \(HumanTime.text(operation.createdAt, now: now))\n"
    if let rate = operation.request.rate { text += "rate    at most \(rate) a second\n" }
    if let reason = operation.request.reason { text += "reason  \(TerminalText.line(reason))\n" }
    for failure in operation.failures {
      text += "job \(failure.job): \(TerminalText.line(failure.error))\n"
    }
    return text
  }

  static func progress(_ operation: BulkOperation) -> String {
    var parts = ["\(operation.done) of \(operation.matching) done"]
    if operation.skipped > 0 { parts.append("\(operation.skipped) skipped") }
    if operation.failed > 0 { parts.append("\(operation.failed) failed") }
    return parts.joined(separator: ", ")
  }

  static func filter(_ filter: BulkFilter) -> String {
    var parts: [String] = []
    if !filter.statuses.isEmpty {
      parts.append(filter.statuses.map(\.rawValue).sorted().joined(separator: ","))
    }
    if let type = filter.type { parts.append("type \(type)") }
    if let queue = filter.queue { parts.append("queue \(queue)") }
    if let time = filter.createdAfter { parts.append("from \(HumanTime.stamp(time))") }
    if let time = filter.createdBefore { parts.append("before \(HumanTime.stamp(time))") }
    return parts.isEmpty ? "all" : parts.joined(separator: ", ")
  }
}

extension Table {
  init(_ operations: [BulkOperation], now: Timestamp) {
    self.init(
      [
        Heading("operation"), Heading("action"), Heading("status"), Heading("begun"),
        Heading("progress"), Heading("filter"),
      ],
      rows: operations.map { operation in
        [
          operation.id.uuidString.lowercased(), operation.request.action.rawValue,
          operation.status.rawValue, HumanTime.text(operation.createdAt, now: now),
          OperationText.progress(operation), OperationText.filter(operation.request.filter),
        ]
      })
  }
}
