import AsyncHTTPClient
import Foundation
import JobClient
import Jobs
import NIOCore
import NIOHTTP1

/// A store of many rows: how long its server takes to start, how long look-ups and lists take, and whether a worker runs
/// as fast over it as over an empty one.
enum BigStorePhase {
  /// How many places in the list are looked at.
  private static let places = 20
  /// How many pages are turned from each.
  private static let turns = 10
  private static let pageSize = 50

  /// - Parameter site: makes a new place for a system each time.
  static func run(
    _ settings: BenchSettings, _ progress: BenchProgress, site: @escaping @Sendable () -> BenchSite
  ) async throws -> BenchReport.Phase {
    progress.say("  first over an empty store, to compare with")
    let empty = try await BenchSystem.run(site(), settings, progress) { system in
      try await system.registerTypes()
      var report = BenchReport.Phase(.bigStore)
      try await ThroughputPhases.processing(system, over: "empty store", into: &report)
      return report
    }
    let rows = BigStoreRows(count: settings.rows)
    return try await BenchSystem.run(
      site(), settings, progress,
      prepare: { try await rows.fill($0.site.store.path, tenant: $0.tenant, progress) },
      { try await measure($0, rows, empty) })
  }

  private static func measure(
    _ system: BenchSystem, _ rows: BigStoreRows, _ empty: BenchReport.Phase
  ) async throws -> BenchReport.Phase {
    var report = empty
    let file = try FileManager.default.attributesOfItem(atPath: system.site.store.path)[.size]
    let bytes = (file as? NSNumber)?.doubleValue ?? 0
    report.figures += [
      .init("rows", Double(rows.count)),
      .init("file", bytes / 1_048_576, "MiB"),
      .init("file per row", bytes / Double(rows.count), "B"),
      .init("server's start", system.timeToStart, "s"),
    ]
    system.progress.step("looking up \(system.settings.lookups) jobs")
    let (latencies, usages) = try await system.measured {
      try await lookUps(system, rows) + lists(system, rows)
    }
    report.latencies = latencies
    report.add(usages, jobs: 0, while: "look-ups")
    try await system.registerTypes()
    let rate = try await ThroughputPhases.processing(
      system, over: "big store", into: &report)
    if let emptyRate = empty.rates.first, emptyRate.perSecond > 0 {
      report.figures.append(.init("big : empty", rate.perSecond / emptyRate.perSecond))
    }
    return report
  }

  /// By id and by key, at random places.
  private static func lookUps(
    _ system: BenchSystem, _ rows: BigStoreRows
  ) async throws -> [BenchReport.Latency] {
    let reader = Reader(system)
    var byID = Latencies()
    var byKey = Latencies()
    let count = system.settings.lookups
    let warmUp = min(count / 10, 100)
    for number in -warmUp..<count {
      let index = Int.random(in: 0..<rows.count)
      let id = rows.id(index).description
      let job = try await reader.get("/jobs/\(id)")
      let key = rows.key(index).uuidString.lowercased()
      let found = try await reader.get("/jobs?idempotency_key=\(key)")
      guard try job.decode(Reader.Row.self).id == id,
        try found.decode(Reader.Page.self).jobs.map(\.id) == [id]
      else { throw BenchError.unexpected("the store has lost row \(index)") }
      guard number >= 0 else { continue }
      byID.record(from: job.begin, to: job.end)
      byKey.record(from: found.begin, to: found.end)
    }
    return [.init("GET /jobs/{id}", byID), .init("GET /jobs?idempotency_key=", byKey)]
  }

  /// The first page, pages by their number, and from each of those some pages by cursor, where the server has cursors. Each has to
  /// tell the true total.
  private static func lists(
    _ system: BenchSystem, _ rows: BigStoreRows
  ) async throws -> [BenchReport.Latency] {
    let reader = Reader(system)
    var first = Latencies()
    var byNumber = Latencies()
    var byCursor = Latencies()
    func read(_ query: String) async throws -> (answer: Reader.Answer, page: Reader.Page) {
      let answer = try await reader.get("/jobs?page_size=\(pageSize)\(query)")
      let page = try answer.decode(Reader.Page.self)
      guard page.total == rows.count else {
        throw BenchError.unexpected("a list of \(rows.count) jobs says that it has \(page.total)")
      }
      return (answer, page)
    }
    system.progress.step("reading lists")
    for _ in 0..<min(system.settings.lookups, places * turns) {
      let answer = try await read("").answer
      first.record(from: answer.begin, to: answer.end)
    }
    let pages = (rows.count + pageSize - 1) / pageSize
    for place in 0..<places {
      system.progress.count("places in the list", place, of: places)
      let number = Int.random(in: 1...pages)
      var (answer, page) = try await read("&page=\(number)")
      byNumber.record(from: answer.begin, to: answer.end)
      for _ in 0..<turns {
        guard let next = page.next else { break }
        (answer, page) = try await read("&after=\(next)")
        byCursor.record(from: answer.begin, to: answer.end)
      }
    }
    return [
      .init("first page of \(pageSize)", first), .init("any page by number", byNumber),
      .init("any page by cursor", byCursor),
    ].filter { $0.latencies.count > 0 }
  }

  /// Reads answers, one after the other, and takes them apart only when their time has been noted.
  private struct Reader: Sendable {
    struct Answer: Sendable {
      let begin: MonotonicTime
      let end: MonotonicTime
      let body: Data

      func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try JSONDecoder().decode(type, from: body)
      }
    }

    struct Row: Decodable {
      let id: String
    }

    struct Page: Decodable {
      let total: Int
      let next: String?
      let jobs: [Row]
    }

    private let base: String
    private let tenant: String

    init(_ system: BenchSystem) {
      base = "http://127.0.0.1:\(system.port)"
      tenant = system.tenant.uuidString.lowercased()
    }

    func get(_ path: String) async throws -> Answer {
      var request = HTTPClientRequest(url: base + path)
      request.headers.add(name: "X-Tenant-ID", value: tenant)
      let begin = MonotonicTime.now
      let response = try await HTTPClient.shared.execute(request, timeout: .seconds(120))
      let body = try await response.body.collect(upTo: 64 << 20)
      let end = MonotonicTime.now
      guard response.status == .ok else {
        throw BenchError.unexpected("GET \(path) is answered with \(response.status)")
      }
      return Answer(begin: begin, end: end, body: Data(body.readableBytesView))
    }
  }
}
