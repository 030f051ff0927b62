import Foundation
import TestSupport
import Testing

/// What a job costs in statements, transactions, bytes of the write-ahead log, and allocations.
@Suite(
  "What a job costs", .enabled(if: isDebug, "the limits are those of debug builds"),
  .timeLimit(.minutes(3)))
struct CostTests {
  /// Measured once for all tests, by a process that does nothing else.
  private static let figures = Task {
    let meter = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
      .appending(path: "CostMeter")
    let output = try await Tool.run(meter.path, [])
    return try JSONDecoder().decode([String: Double].self, from: Data(output.utf8))
  }

  @Test("a figure is within its limit", arguments: CostLimits.metered)
  func limit(_ limit: CostLimit) async throws {
    let figure = try #require(try await Self.figures.value[limit.name], "it was not measured")
    #expect(
      figure <= limit.limit,
      "\(limit.name) is \(figure), and was \(limit.measured): see What a job costs in docs/testing.md"
    )
  }

  @Test("every figure has a limit, and every limit has room for what was measured")
  func complete() async throws {
    let figures = try await Self.figures.value
    #expect(Set(figures.keys) == Set(CostLimits.metered.map(\.name)))
    for limit in CostLimits.all { #expect(limit.measured <= limit.limit, "\(limit)") }
  }

  @Test("docs/testing.md shows the limits as they are", arguments: CostLimits.all)
  func documented(_ limit: CostLimit) throws {
    let file = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../docs/testing.md")
    let rows = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
      .map { $0.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) } }
    let row = try #require(
      rows.first { $0.first == "`\(limit.name)`" }, "it has no row in What a job costs")
    #expect(row.dropFirst().map(Double.init) == [limit.measured, limit.limit])
  }
}

#if DEBUG
  private let isDebug = true
#else
  private let isDebug = false
#endif
