import Foundation
import Synchronization

/// What a benchmark has found, told to people: what was run where, and a table for each kind of number.
enum BenchText {
  static func text(_ report: BenchReport) -> String {
    ([head(report)] + tables(report).compactMap(\.text)).joined(separator: "\n")
  }

  private static func head(_ report: BenchReport) -> String {
    let settings = report.settings
    let machine = report.machine
    var lines = [
      "warren \(report.version), \(report.build) build, \(report.broker)",
      "\(machine.cores) cores (\(machine.processor)), \(machine.memory >> 30) GiB, Linux \(machine.kernel)",
      "\(settings.jobs) jobs in each phase after \(settings.warmUp) to warm up, batches of \(settings.batch),"
        + " one worker with \(settings.capacity) slots",
    ]
    if report.build != "release" { lines.append("A debug build: these figures say nothing.") }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Rates, latencies, other figures and processes; a table without rows is none.
  static func tables(_ report: BenchReport) -> [Table] {
    [rates(report), latencies(report), figures(report), processes(report)]
  }

  private static func rates(_ report: BenchReport) -> Table {
    Table(
      [
        .init("phase"), .init("rate"), .init("jobs", isNumber: true),
        .init("seconds", isNumber: true), .init("jobs/s", isNumber: true),
      ],
      rows: rows(report, \.rates) { rate in
        [
          rate.name, String(rate.jobs), number(rate.seconds, digits: 2),
          number(rate.perSecond, digits: 0),
        ]
      })
  }

  private static func latencies(_ report: BenchReport) -> Table {
    Table(
      [
        .init("phase"), .init("latency in ms"), .init("count", isNumber: true),
        .init("p50", isNumber: true), .init("p95", isNumber: true), .init("p99", isNumber: true),
        .init("max", isNumber: true),
      ],
      rows: rows(report, \.latencies) { latency in
        [latency.name, String(latency.latencies.count)]
          + [50, 95, 99, 100].map { number(latency.latencies.percentile($0), digits: 2) }
      })
  }

  private static func figures(_ report: BenchReport) -> Table {
    Table(
      [.init("phase"), .init("figure"), .init("value", isNumber: true), .init("unit")],
      rows: rows(report, \.figures) { figure in
        let isWhole = figure.value == figure.value.rounded()
        return [figure.name, number(figure.value, digits: isWhole ? 0 : 2), figure.unit]
      })
  }

  private static func processes(_ report: BenchReport) -> Table {
    Table(
      [
        .init("phase"), .init("process"), .init("MiB first", isNumber: true),
        .init("most", isNumber: true), .init("last", isNumber: true),
        .init("CPU s", isNumber: true), .init("CPU µs/job", isNumber: true),
      ],
      rows: rows(report, \.resources) { process in
        let usage = process.usage
        let perJob =
          process.jobs > 0 ? number(process.processorSeconds / Double(process.jobs) * 1e6) : ""
        return [process.name]
          + [usage.first.resident, usage.mostResident, usage.last.resident].map {
            number(Double($0) / 1_048_576, digits: 1)
          } + [number(process.processorSeconds, digits: 2), perJob]
      })
  }

  /// The name of a phase stands in its first row only.
  private static func rows<Element>(
    _ report: BenchReport, _ elements: (BenchReport.Phase) -> [Element],
    _ cells: (Element) -> [String]
  ) -> [[String]] {
    report.phases.flatMap { phase in
      elements(phase).enumerated().map { index, element in
        [index == 0 ? phase.phase.rawValue : ""] + cells(element)
      }
    }
  }

  private static func number(_ value: Double, digits: Int = 0) -> String {
    String(format: "%.\(digits)f", value)
  }
}

/// Says on standard error what a benchmark does and how far it is: one line that is drawn again and again on a terminal, a
/// line now and then elsewhere.
final class BenchProgress: Sendable {
  enum Mode: Sendable, Hashable {
    case terminal(width: Int)
    case plain
  }

  /// How often a count is told elsewhere, in seconds.
  static let interval = 5.0

  private struct State {
    var line = ""
    var lastCount: MonotonicTime?
  }

  private let mode: Mode
  private let write: @Sendable (String) -> Void
  private let state = Mutex(State())

  init(_ mode: Mode, write: @escaping @Sendable (String) -> Void) {
    self.mode = mode
    self.write = write
  }

  /// On standard error, in the way that suits it.
  static func standardError() -> BenchProgress {
    BenchProgress(
      Console.isTerminal(.error) ? .terminal(width: Console.width(of: .error)) : .plain
    ) { Console.write($0, to: .error) }
  }

  /// Something that stays to be read.
  func say(_ text: String) {
    state.withLock { state in
      let clear = state.line.isEmpty ? "" : "\r\u{1B}[K"
      state.line = ""
      write(clear + text + "\n")
    }
  }

  /// What is being done now.
  func step(_ text: String) {
    state.withLock { state in
      state.lastCount = nil
      show("  \(text)", &state)
    }
  }

  /// How far it is.
  func count(_ what: String, _ count: Int, of total: Int, perSecond: Double? = nil) {
    state.withLock { state in
      let now = MonotonicTime.now
      if mode == .plain, let last = state.lastCount, now.seconds(since: last) < Self.interval {
        return
      }
      state.lastCount = now
      let rate = perSecond.map { ", \(Int($0.rounded())) a second" } ?? ""
      show("  \(count) of \(total) \(what)\(rate)", &state)
    }
  }

  /// Before anything else is written.
  func finish() {
    state.withLock { state in
      guard !state.line.isEmpty else { return }
      state.line = ""
      write("\r\u{1B}[K")
    }
  }

  private func show(_ text: String, _ state: inout State) {
    switch mode {
    case .plain: write(text + "\n")
    case .terminal(let width):
      let line = TerminalText.line(text, limit: max(1, width - 1))
      guard line != state.line else { return }
      state.line = line
      write("\r\(line)\u{1B}[K")
    }
  }
}
