import Jobs

/// Reads one program's reports until it is gone.
struct ReportReader: Sendable {
  /// In bytes, of one line.
  let limit: Int
  let onEvent: CommandProcess.EventHandler

  /// - Returns: the result or skip that was reported last.
  func read(_ pipe: ReportPipe) async -> CommandOutcome.Conclusion? {
    var splitter = LineSplitter(limit: limit)
    var conclusion: CommandOutcome.Conclusion?
    while let bytes = await pipe.next() {
      for line in splitter.append(bytes) { await handle(line, &conclusion) }
    }
    if let line = splitter.finish() { await handle(line, &conclusion) }
    return conclusion
  }

  private func handle(
    _ line: LineSplitter.Line, _ conclusion: inout CommandOutcome.Conclusion?
  ) async {
    guard !line.isCut else {
      return await refuse(line, "it has \(line.length) bytes, and \(limit) are allowed")
    }
    guard line.bytes.contains(where: { !$0.isBlank }) else { return }
    let reports: [CommandReport]
    do throws(CommandReportError) {
      reports = try CommandReport.reports(in: line.bytes)
    } catch {
      return await refuse(line, error.description)
    }
    for report in reports {
      switch report {
      case .result(let value): conclusion = .result(value)
      case .skip(let reason): conclusion = .skip(reason)
      case .progress, .snapshot: break
      }
      await onEvent(.report(report))
    }
  }

  private func refuse(_ line: LineSplitter.Line, _ reason: String) async {
    let beginning = String(decoding: line.bytes.prefix(80), as: UTF8.self)
    await onEvent(
      .warning(
        "a line in WARREN_REPORT is no report, and ignored: \(reason); it begins: \(beginning)"))
  }
}

extension UInt8 {
  /// White space in JSON (RFC 8259, section 2).
  fileprivate var isBlank: Bool { [0x20, 0x09, 0x0A, 0x0D].contains(self) }
}
