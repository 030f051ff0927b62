import ArgumentParser
import Foundation
import Jobs
import Synchronization
import Testing

@testable import WarrenCommand

@Suite("A benchmark")
struct BenchTests {
  private static func settings(_ arguments: String...) throws -> BenchSettings {
    try #require(try Warren.parseAsRoot(["bench"] + arguments) as? BenchCommand).settings
  }

  @Test("runs all phases but the big store, unless it is told of rows")
  func defaults() throws {
    #expect(try Self.settings() == BenchSettings())
    #expect(
      try Self.settings().phases == [.schedule, .http, .process, .together, .latency])
    let withRows = try Self.settings("--rows", "5000")
    #expect(withRows.phases.last == .bigStore)
    #expect(withRows.rows == 5000)
  }

  @Test("takes how much is to be measured")
  func options() throws {
    let settings = try Self.settings(
      "--phases", "process,schedule", "--jobs", "500", "--batch", "50", "--connections", "7",
      "--rate", "30", "--seconds", "4", "--lookups", "9")
    #expect(settings.phases == [.process, .schedule])
    #expect(settings.jobs == 500)
    #expect(settings.warmUp == 50)
    #expect(settings.batch == 50)
    #expect(settings.capacity == 100)
    #expect(settings.connections == 7)
    #expect(settings.rate == 30)
    #expect(settings.seconds == 4)
    #expect(settings.lookups == 9)
    #expect(try Self.settings("--capacity", "3").capacity == 3)
  }

  @Test(
    "refuses what makes no sense, and says what would",
    arguments: [
      (["--phases", "schedule,sing"], "'sing' is no phase; phases are schedule, http"),
      (["--jobs", "0"], "--jobs must be from 1 to"),
      (["--capacity", "70000"], "--capacity must be from 1 to 65535, not 70000"),
      (["--phases", "big-store"], "the phase big-store takes --rows"),
      (["--phases", "http", "--rows", "5"], "--rows is of use with the phase big-store"),
      (["--folder", "/no/such"], "--folder: there is no folder /no/such"),
      (["--keep", "--rows", "5"], "--keep and --rows exclude each other"),
    ])
  func refused(arguments: [String], message: String) throws {
    let error = try #require(throws: (any Error).self) {
      try Warren.parseAsRoot(["bench"] + arguments)
    }
    #expect(Warren.fullMessage(for: error).contains(message))
    #expect(ExitStatus(error) == .usage)
  }

  @Test("is shown in the help, and its worker is not")
  func help() {
    let help = Warren.helpMessage(columns: 120)
    #expect(help.contains("\n  bench "))
    #expect(!help.contains("bench-worker"))
    for phase in BenchPhase.allCases {
      #expect(BenchCommand.helpMessage(columns: 200).contains(phase.explanation))
    }
  }

  @Test("that cannot have the broker exits as one that cannot have the server")
  func broker() {
    #expect(ExitStatus(BenchError.broker("refused")) == .unreachable)
    #expect(ExitStatus(BenchError.stalled("it")) == .unexpectedAnswer)
  }

  // MARK: What is printed

  private static func report() -> BenchReport {
    var latencies = Latencies()
    for milliseconds in 1...100 { latencies.record(nanoseconds: Int64(milliseconds) * 1_000_000) }
    var report = BenchReport(
      version: "1.2", build: "release", date: Date(timeIntervalSince1970: 0),
      broker: "RabbitMQ 3.10.8",
      machine: .init(processor: "X", cores: 2, memory: 24 << 30, kernel: "6.1"),
      settings: BenchSettings())
    var schedule = BenchReport.Phase(.schedule)
    schedule.rates = [
      .init(name: "confirmed by the broker", jobs: 20_000, seconds: 1.6),
      .init(name: "stored", jobs: 20_000, seconds: 2.5),
    ]
    var usage = UsageWatch.Usage(ProcessUsage(resident: 50 << 20, processorTime: 1))
    usage.add(ProcessUsage(resident: 62 << 20, processorTime: 2))
    usage.add(ProcessUsage(resident: 61 << 20, processorTime: 3))
    schedule.add([("server", usage)], jobs: 20_000)
    var bigStore = BenchReport.Phase(.bigStore)
    bigStore.latencies = [.init("GET /jobs/{id}", latencies)]
    bigStore.figures = [.init("rows", 5_000_000), .init("server's start", 0.25, "s")]
    bigStore.add([("server", usage)], jobs: 0, while: "look-ups")
    report.phases = [schedule, bigStore]
    return report
  }

  @Test("is told as a table for each kind of number")
  func table() {
    #expect(
      BenchText.text(Self.report()) == """
        warren 1.2, release build, RabbitMQ 3.10.8
        2 cores (X), 24 GiB, Linux 6.1
        20000 jobs in each phase after 2000 to warm up, batches of 200, one worker with 400 slots

        phase    rate                     jobs seconds jobs/s
        -------- ----------------------- ----- ------- ------
        schedule confirmed by the broker 20000    1.60  12500
                 stored                  20000    2.50   8000

        phase     latency in ms  count   p50   p95   p99    max
        --------- -------------- ----- ----- ----- ----- ------
        big-store GET /jobs/{id}   100 50.00 95.03 99.02 100.00

        phase     figure           value unit
        --------- -------------- ------- ----
        big-store rows           5000000
                  server's start    0.25 s

        phase     process          MiB first most last CPU s CPU µs/job
        --------- ---------------- --------- ---- ---- ----- ----------
        schedule  server                50.0 62.0 61.0  2.00        100
        big-store server, look-ups      50.0 62.0 61.0  2.00

        """)
  }

  @Test("is told as JSON, each number under its phase and its name")
  func json() throws {
    let json = try JSONValue(parsing: Array(try JSONOutput.text(Self.report()).utf8))
    func value(_ path: String...) -> JSONValue? {
      path.reduce(json) { (value: JSONValue?, name) in value?.members?[name] }
    }
    #expect(value("build") == "release")
    #expect(value("settings", "warm_up") == 2000)
    #expect(value("machine", "cores") == 2)
    #expect(value("phases", "schedule", "rates", "stored", "per_second") == 8000)
    #expect(
      value("phases", "schedule", "processes", "server", "resident_bytes_most")
        == .integer(62 << 20))
    #expect(value("phases", "big_store", "latencies_ms", "GET__jobs__id_", "count") == 100)
    #expect(value("phases", "big_store", "figures", "server_s_start", "value") == 0.25)
    #expect(value("phases", "big_store", "rates") == nil)
  }

  @Test("says what it does: drawn over on a terminal, now and then elsewhere")
  func progress() {
    let written = Mutex("")
    func progress(_ mode: BenchProgress.Mode) -> BenchProgress {
      written.withLock { $0 = "" }
      return BenchProgress(mode) { text in written.withLock { $0 += text } }
    }
    let plain = progress(.plain)
    plain.say("schedule")
    plain.step("warming up")
    plain.count("stored", 10, of: 30, perSecond: 9.6)
    plain.count("stored", 20, of: 30, perSecond: 10)
    plain.finish()
    #expect(written.withLock { $0 } == "schedule\n  warming up\n  10 of 30 stored, 10 a second\n")

    let terminal = progress(.terminal(width: 20))
    terminal.step("warming up")
    terminal.count("stored", 10, of: 30)
    terminal.say("done")
    terminal.finish()
    #expect(
      written.withLock { $0 }
        == "\r  warming up\u{1B}[K\r  10 of 30 stored\u{1B}[K\r\u{1B}[Kdone\n")
  }

  // MARK: What is looked at

  @Test("reads the memory and the processor time of a process, whatever its name")
  func usage() {
    let usage = ProcessUsage(
      status: "Name:\tx\nVmHWM:\t  900 kB\nVmRSS:\t  512 kB\n",
      stat: "7 (a) b) (c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0", ticks: 100)
    #expect(usage == ProcessUsage(resident: 512 * 1024, processorTime: 3))
    #expect(ProcessUsage(of: getpid()) != nil)
    #expect(ProcessUsage(status: "", stat: "", ticks: 100) == nil)
  }

  @Test(
    "asks rarely, and often only at the beginning and near the end",
    arguments: [
      // Nothing has moved.
      (pause: 0.5, count: 0, seconds: 3.0, expected: 0.02),
      // 100 a second, 900 to go: after a second at the most.
      (pause: 1, count: 100, seconds: 1, expected: 1),
      // 1,000 a second, 100 to go: a quarter of the 0.1 s.
      (pause: 1, count: 900, seconds: 0.9, expected: 0.025),
      (pause: 1, count: 999, seconds: 0.999, expected: 0.02),
      // Not much longer than the last time.
      (pause: 0.02, count: 10, seconds: 1, expected: 0.03),
    ])
  func pause(pause: Double, count: Int, seconds: Double, expected: Double) {
    let begin = JobCounter.Reading(count: 0, time: MonotonicTime(nanoseconds: 0))
    let last = JobCounter.Reading(
      count: count, time: MonotonicTime(nanoseconds: Int64(seconds * 1e9)))
    let next = JobCounter.pause(after: pause, [begin, begin, last], target: 1000)
    #expect(abs(next - expected) < 0.001)
  }

  @Test("finds the rows of its big store again: each has an id in the order of time, and a key")
  func rows() {
    let rows = BigStoreRows(count: 1000)
    let ids = (0..<1000).map { rows.id($0) }
    #expect(ids == ids.sorted())
    #expect(Set(ids.map(\.uuid) + (0..<1000).map { rows.key($0) }).count == 2000)
    #expect(ids.allSatisfy { $0.description.dropFirst(14).first == "7" })
    #expect(rows.id(5) == rows.id(5))
  }
}
