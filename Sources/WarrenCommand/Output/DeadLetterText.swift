import Foundation
import Jobs

/// A dead letter, told to people.
enum DeadLetterText {
  /// All that matters of it, a line each, and its message.
  static func text(_ detail: DeadLetterDetail, now: Timestamp) throws -> String {
    let letter = detail.letter
    var lines: [(name: String, value: String)] = [
      ("id", letter.id.uuidString.lowercased()), ("state", state(letter)),
      ("kind", letter.kind.rawValue), ("reason", letter.reason), ("why", letter.explanation),
    ]
    for error in letter.errors { lines.append(("at \(error.pointer)", error.detail)) }
    for (name, value) in [
      ("type", letter.type), ("queue", letter.queue), ("found in", letter.foundIn),
      ("sent by", letter.user),
    ] {
      if let value { lines.append((name, value)) }
    }
    for death in letter.deaths {
      lines.append(("thrown out", "of \(death.queue), \(death.reason), \(death.count) times"))
    }
    lines.append(("arrived", HumanTime.text(letter.arrivedAt, now: now)))
    lines.append(("redriven", letter.redrives == 1 ? "once" : "\(letter.redrives) times"))
    if let time = letter.editedAt {
      let editor = letter.editedBy.map { ", by \($0.uuidString.lowercased())" } ?? ""
      lines.append(("edited", HumanTime.text(time, now: now) + editor))
    }
    let width = (lines.map(\.name.count).max() ?? 0) + 2
    var text = lines.map { name, value in
      TerminalText.line(name) + String(repeating: " ", count: width - name.count)
        + TerminalText.line(value)
    }.joined(separator: "\n")
    text += "\nmessage\n" + TerminalText.block(try JSONOutput.text(detail.message))
    if let edited = detail.edited {
      text += "as it would be published\n" + TerminalText.block(try JSONOutput.text(edited))
    }
    return text
  }

  static func state(_ letter: DeadLetterRecord) -> String {
    guard letter.state == .accepted, let job = letter.job else { return letter.state.rawValue }
    return "accepted as job \(job)"
  }

  /// What has become of one, in one line.
  static func line(_ result: DeadLetterResult) -> String {
    var line = "\(result.id.uuidString.lowercased()) \(result.outcome.rawValue)"
    if let job = result.job { line += ", job \(job)" }
    if let reason = result.reason { line += ", \(reason)" }
    if let detail = result.detail { line += ": \(detail)" }
    return TerminalText.line(line)
  }

  /// How many had which outcome.
  static func sum(_ results: [DeadLetterResult]) -> String {
    guard !results.isEmpty else { return "there are no such dead letters" }
    return DeadLetterResult.Outcome.allCases.compactMap { outcome in
      let count = results.count { $0.outcome == outcome }
      return count > 0 ? "\(count) \(outcome.rawValue)" : nil
    }.joined(separator: ", ")
  }
}

extension Table {
  init(_ letters: [DeadLetterRecord], now: Timestamp) {
    self.init(
      [
        Heading("dead letter"), Heading("state"), Heading("arrived"), Heading("reason"),
        Heading("type"), Heading("why"),
      ],
      rows: letters.map { letter in
        [
          letter.id.uuidString.lowercased(), letter.state.rawValue,
          HumanTime.text(letter.arrivedAt, now: now), letter.reason, letter.type ?? "",
          letter.job.map { "job \($0)" } ?? letter.explanation,
        ]
      })
  }

  init(_ groups: [DeadLetterGroup], now: Timestamp) {
    self.init(
      [
        Heading("letters", isNumber: true), Heading("reason"), Heading("pointer"),
        Heading("oldest"), Heading("newest"),
      ],
      rows: groups.map { group in
        [
          String(group.count), group.reason, group.pointer ?? "",
          HumanTime.text(group.oldest, now: now), HumanTime.text(group.newest, now: now),
        ]
      })
  }
}
