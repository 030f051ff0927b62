import Jobs

/// One line that tells how far a job is.
enum ProgressLine {
  static let barLength = 24

  /// With a bar, for a terminal.
  ///
  /// - Parameter width: of the terminal; the line is shorter.
  static func bar(_ job: Job, now: Timestamp, width: Int) -> String {
    let percent = percent(job)
    let filled = percent * barLength / 100
    let bar =
      String(repeating: "#", count: filled) + String(repeating: "-", count: barLength - filled)
    var number = String(percent)
    number = String(repeating: " ", count: 3 - number.count) + number
    let parts = ["[\(bar)]", "\(number) %", status(job)] + rest(job, now: now)
    // A line that reaches the last column may wrap, and is then not drawn over by the next.
    return TerminalText.line(parts.joined(separator: "  "), limit: max(1, width - 1))
  }

  /// Without a bar, for a file. It has nothing that changes from moment to moment by itself.
  static func plain(_ job: Job) -> String {
    let details = job.progressDetails.isEmpty ? "" : ": \(job.progressDetails)"
    return TerminalText.line("\(status(job)) \(percent(job)) %\(details)")
  }

  /// 0 to 100; 100 only when it is that much.
  static func percent(_ job: Job) -> Int {
    Int(min(max(0, job.progress), 100))
  }

  private static func status(_ job: Job) -> String {
    job.retries > 0 ? "\(job.status.rawValue) (retry \(job.retries))" : job.status.rawValue
  }

  private static func rest(_ job: Job, now: Timestamp) -> [String] {
    var parts: [String] = []
    if let eta = job.eta, job.status.isHeld, now < eta {
      parts.append("\(HumanTime.text(eta - now)) left")
    } else if job.status == .waiting, now < job.scheduledAt {
      parts.append("due \(HumanTime.text(job.scheduledAt, now: now))")
    }
    if !job.progressDetails.isEmpty { parts.append(job.progressDetails) }
    return parts
  }
}
