import ArgumentParser
import Foundation
import Jobs
import Logging

/// Prints the job that a command is about.
struct JobPrinter {
  let json: Bool
  var isQuiet = false

  /// The job as it is.
  func show(_ job: Job) throws {
    Console.write(try json ? JSONOutput.text(job) : JobText.text(job, now: .now), to: .output)
  }

  /// The job after a wait.
  ///
  /// - Throws: the exit status of a job that did not complete.
  func showEnd(of job: Job) throws {
    if isQuiet, !json {
      showResult(of: .atRest(job))
    } else {
      try show(job)
    }
    guard job.status == .completed else { throw ExitCode(ExitStatus.jobNotCompleted.rawValue) }
  }

  /// Several jobs after a wait, each of which has been told of already unless it is quiet or JSON.
  ///
  /// - Throws: the exit status when one goes on, or else when one did not complete.
  func showEnds(_ ends: [JobWait.End]) throws {
    if json {
      Console.write(try JSONOutput.text(ends.map(\.job)), to: .output)
    } else if isQuiet {
      for end in ends { showResult(of: end) }
    }
    for case .goesOn in ends { throw ExitCode(ExitStatus.timedOut.rawValue) }
    for end in ends where end.job.status != .completed {
      throw ExitCode(ExitStatus.jobNotCompleted.rawValue)
    }
  }

  private func showResult(of end: JobWait.End) {
    if let result = JobText.result(end.job) { Console.write(result + "\n", to: .output) }
    if end.job.status != .completed { Console.write(JobText.end(end) + "\n", to: .error) }
  }
}

/// A job, told to people.
enum JobText {
  /// All that matters of a job, a line each, its result last and whole.
  static func text(_ job: Job, now: Timestamp) -> String {
    var lines: [(name: String, value: String)] = [
      ("id", job.id.description), ("type", job.type.description), ("status", job.status.rawValue),
      ("progress", progress(job)), ("queue", job.queue.rawValue),
    ]
    if job.priority != JobPriority.standard { lines.append(("priority", String(job.priority))) }
    if let predecessor = job.retryOf { lines.append(("retry of", predecessor.description)) }
    lines.append(("scheduled", HumanTime.text(job.scheduledAt, now: now)))
    if let started = job.startedAt { lines.append(("started", HumanTime.text(started, now: now))) }
    if let took = took(job, now: now) { lines.append(("took", HumanTime.text(took))) }
    if let eta = job.eta, !job.status.isFinal {
      lines.append(("ends", HumanTime.text(eta, now: now)))
    }
    if job.attempt > 0 {
      lines.append(
        ("attempt", "\(job.attempt) (\(job.retries) of \(job.retry.maxRetries) retries)"))
    }
    if let worker = job.worker { lines.append(("worker", worker.rawValue)) }
    lines.append(("params", job.params.text))
    if !job.details.isEmpty { lines.append(("details", job.details)) }
    let width = (lines.map(\.name.count).max() ?? 0) + 2
    var text = lines.map { name, value in
      name + String(repeating: " ", count: width - name.count) + TerminalText.line(value)
    }.joined(separator: "\n")
    // An error may quote the end of what a program wrote, which has lines of its own.
    if let error = job.error { text += "\nerror\n\(TerminalText.block(error))" }
    if let result = result(job) { text += "\nresult\n\(result)" }
    return text + "\n"
  }

  /// The result as text: a string's own, otherwise JSON; `nil` when there is none.
  static func result(_ job: Job) -> String? {
    guard let result = job.result else { return nil }
    guard case .string(let text) = result else { return result.text }
    var trimmed = TerminalText.block(text)
    while trimmed.last?.isNewline == true { trimmed.removeLast() }
    return trimmed
  }

  /// What became of a job that was waited for, in one line.
  static func end(_ end: JobWait.End) -> String {
    let job = end.job
    if case .goesOn = end { return "the job \(job.id) is still \(job.status.rawValue); it goes on" }
    let remark = job.status == .completed ? "" : remark(job)
    return "the job \(job.id) is \(job.status.rawValue)"
      + (remark.isEmpty ? "" : ": \(TerminalText.line(remark))")
  }

  /// How long it took from the start of its first attempt to its end, or has taken so far.
  static func took(_ job: Job, now: Timestamp) -> Duration? {
    guard let started = job.startedAt else { return nil }
    if job.status.isHeld { return max(.zero, now - started) }
    return job.status.isFinal ? max(.zero, job.updatedAt - started) : nil
  }

  /// What is most worth saying of a job, in one line.
  static func remark(_ job: Job) -> String {
    if let error = job.error, !error.isEmpty { return error }
    if !job.details.isEmpty { return job.details }
    return job.progressDetails
  }

  private static func progress(_ job: Job) -> String {
    let percent = "\(ProgressLine.percent(job)) %"
    return job.progressDetails.isEmpty ? percent : "\(percent), \(job.progressDetails)"
  }
}

/// A job's log, told to people.
enum LogLines {
  /// Time, level, attempt and text of each line; control characters in it are spelled out.
  static func text(_ log: JobLog) -> String {
    (log.dropped > 0 ? "(\(log.dropped) lines are gone)\n" : "")
      + log.lines.map(text).joined()
  }

  static func text(_ line: JobLogLine) -> String {
    "\(HumanTime.stamp(line.time)) \(line.level.rawValue.padded(to: 8)) \(line.attempt) "
      + TerminalText.spelled(line.text) + "\n"
  }
}

extension String {
  fileprivate func padded(to width: Int) -> String {
    self + String(repeating: " ", count: max(0, width - count))
  }
}

/// Times as people say them.
enum HumanTime {
  /// How a moment lies to now: `12 s ago`, `in 5 min`.
  static func text(_ moment: Timestamp, now: Timestamp) -> String {
    let distance = now - moment
    if distance > .milliseconds(-500), distance < .milliseconds(500) { return "now" }
    return distance > .zero ? "\(text(distance)) ago" : "in \(text(.zero - distance))"
  }

  /// A moment by ISO 8601, in UTC, with milliseconds.
  static func stamp(_ moment: Timestamp) -> String {
    let (seconds, rest) = moment.milliseconds.quotientAndRemainder(dividingBy: 1000)
    let whole = Date(timeIntervalSince1970: TimeInterval(seconds)).ISO8601Format()
    return "\(whole.dropLast()).\(String(1000 + abs(rest)).dropFirst())Z"
  }

  /// How long something took, in at most two units: `0.4 s`, `12 s`, `3 min 5 s`, `2 h`.
  static func text(_ duration: Duration) -> String {
    let milliseconds = max(0, duration.milliseconds)
    if milliseconds < 10_000 {
      let tenths = (milliseconds + 50) / 100
      return tenths % 10 == 0 ? "\(tenths / 10) s" : "\(tenths / 10).\(tenths % 10) s"
    }
    let seconds = milliseconds / 1000
    let units: [(size: Int64, name: String)] = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")]
    guard let large = units.firstIndex(where: { seconds >= $0.size }) else { return "0 s" }
    var parts = ["\(seconds / units[large].size) \(units[large].name)"]
    if large + 1 < units.count {
      let rest = seconds % units[large].size / units[large + 1].size
      if rest > 0 { parts.append("\(rest) \(units[large + 1].name)") }
    }
    return parts.joined(separator: " ")
  }
}
