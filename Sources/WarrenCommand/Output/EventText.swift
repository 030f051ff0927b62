import Foundation
import JobClient
import Jobs

/// Transitions, told to people.
enum EventText {
  /// Prints what a stream has told; what was missed, on standard error.
  static func show(_ event: JobStreamEvent, json: Bool) {
    switch event {
    case .transition(let event):
      let text = json ? String(decoding: event.json, as: UTF8.self) : line(event)
      Console.write(text + "\n", to: .output)
    case .missed(let missed):
      Console.write("missed: \(TerminalText.line(missed.detail))\n", to: .error)
    case .progress, .end: break
    }
  }

  /// Time, number, job, type, and what has changed.
  static func line(_ event: JobEvent) -> String {
    var text =
      "\(HumanTime.stamp(event.at)) \(event.sequence) \(event.job) \(event.type) \(change(event))"
    if event.attempt > 0 { text += " (attempt \(event.attempt))" }
    if let worker = event.worker { text += " on \(worker.rawValue)" }
    if let reason = event.reason, !reason.isEmpty { text += ": \(reason)" }
    return TerminalText.line(text)
  }

  private static func change(_ event: JobEvent) -> String {
    guard let from = event.from else { return event.to.rawValue }
    return "\(from.rawValue) -> \(event.to.rawValue)"
  }
}
