import Jobs

/// Reads one program's reports until it is gone.
struct ReportReader: Sendable {
  let limits: CommandLimits
  let onEvent: CommandProcess.EventHandler

  /// What has been reported by the end.
  struct Finding: Sendable, Hashable {
    /// The result or skip that was reported last.
    var conclusion: CommandOutcome.Conclusion?
    private var lost: Lost?

    /// The first line that was no report, and how many there were.
    private struct Lost: Sendable, Hashable {
      let reason: String
      var count = 0
    }

    /// What is lost, for people; `nil` when nothing is.
    var lostReport: String? {
      guard let lost else { return nil }
      return lost.reason
        + (lost.count > 1 ? " (and \(lost.count - 1) more lines that are lost)" : "")
    }

    fileprivate mutating func lose(_ reason: String) {
      if lost == nil { lost = Lost(reason: reason) }
      lost?.count += 1
    }
  }

  func read(_ pipe: ReportPipe) async -> Finding {
    var splitter = LineSplitter(limit: limits.reportLine)
    var finding = Finding()
    while let bytes = await pipe.next() {
      for line in splitter.append(bytes) { await handle(line, &finding) }
    }
    if let line = splitter.finish() { await handle(line, &finding) }
    return finding
  }

  private func handle(_ line: LineSplitter.Line, _ finding: inout Finding) async {
    guard !line.isCut else {
      return await lose(
        line, "it has \(line.length) bytes, and \(limits.reportLine) are allowed", &finding)
    }
    guard line.bytes.contains(where: { !$0.isBlank }) else { return }
    let reports: [CommandReport]
    do throws(CommandReportError) {
      reports = try CommandReport.reports(in: line.bytes)
      try check(reports)
    } catch {
      return await lose(line, error.description, &finding)
    }
    if reports.isEmpty { await onEvent(.warning(unknown(line))) }
    for report in reports {
      switch report {
      case .result(let value): finding.conclusion = .result(value)
      case .skip(let reason): finding.conclusion = .skip(reason)
      case .progress, .snapshot: break
      }
      await onEvent(.report(report))
    }
  }

  /// A snapshot is checked here, where it is known which line it came from; a result when the job ends with it.
  private func check(_ reports: [CommandReport]) throws(CommandReportError) {
    for case .snapshot(let snapshot) in reports {
      let size = snapshot.text.utf8.count
      guard size <= limits.snapshot else {
        throw CommandReportError(
          SnapshotError.tooLarge(size, limit: limits.snapshot).description)
      }
    }
  }

  private func lose(
    _ line: LineSplitter.Line, _ reason: String, _ finding: inout Finding
  ) async {
    let message = "a line in WARREN_REPORT is no report: \(reason); it begins: \(line.beginning)"
    finding.lose(message)
    await onEvent(.warning(message))
  }

  private func unknown(_ line: LineSplitter.Line) -> String {
    "a line in WARREN_REPORT has none of progress, result, skip and snapshot, and tells nothing to "
      + "this worker; it begins: \(line.beginning)"
  }
}

extension LineSplitter.Line {
  fileprivate var beginning: String {
    LogText.escaped(String(decoding: bytes.prefix(80), as: UTF8.self))
  }
}

extension UInt8 {
  /// White space in JSON (RFC 8259, section 2).
  fileprivate var isBlank: Bool { [0x20, 0x09, 0x0A, 0x0D].contains(self) }
}
