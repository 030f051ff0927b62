import Foundation
import Jobs
import TestSupport
import Testing

extension SystemTests {
  /// Too small to say anything of speed.
  @Suite("A benchmark")
  struct BenchTests {
    private static let small = [
      "--jobs", "60", "--batch", "10", "--connections", "4", "--rate", "20", "--seconds", "1",
      "--lookups", "10", "--rows", "1200",
    ]

    @Test("measures every phase, says what it found, and leaves nothing")
    func all() async throws {
      try await Self.run(Self.small) { bench, folder in
        let code = try await bench.exitCode(within: .seconds(180))
        try #require(code == 0, "\(bench.output)")
        for phase in ["schedule", "http", "process", "together", "latency", "big-store"] {
          #expect("\n\(bench.output)".contains("\n\(phase): "), "\(bench.output)")
        }
        let report = try JSONValue(
          parsing: Data(contentsOf: folder.appending(path: "report.json")))
        func number(_ path: String...) -> Double? {
          let value = path.reduce(report.members?["phases"]) { value, name in
            value?.members?[name]
          }
          return switch value {
          case .integer(let value): Double(value)
          case .number(let value): value
          default: nil
          }
        }
        for (phase, rate) in [
          ("schedule", "stored"), ("http", "accepted"), ("process", "completed"),
          ("together", "completed"), ("big_store", "completed__empty_store"),
          ("big_store", "completed__big_store"),
        ] {
          let found = try #require(number(phase, "rates", rate, "per_second"), "\(phase) \(rate)")
          #expect(found > 0)
        }
        #expect(number("http", "latencies_ms", "POST__jobs", "count") == 60)
        #expect(number("latency", "latencies_ms", "request_to_running", "count") == 20)
        #expect(number("latency", "latencies_ms", "running_to_completed", "count") == 20)
        #expect(number("latency", "figures", "jobs_not_seen_to_complete", "value") == 0)
        #expect(number("big_store", "latencies_ms", "GET__jobs__id_", "count") == 10)
        #expect(number("big_store", "figures", "rows", "value") == 1200)
        for process in ["server", "worker"] {
          let memory = number("process", "processes", process, "resident_bytes_most")
          #expect(try #require(memory) > 1_048_576)
        }
      }
    }

    @Test("that is interrupted ends its processes, and leaves nothing")
    func interrupted() async throws {
      try await Self.run(["--phases", "together", "--jobs", "1000000"]) { bench, _ in
        try await eventually("it measures") { bench.output.contains("publishing and running") }
        try await bench.send(SIGINT)
        #expect(try await bench.exitCode(within: .seconds(90)) == 130, "\(bench.output)")
      }
    }

    @Test("whose server is killed says so, and leaves nothing")
    func broken() async throws {
      try await Self.run(["--phases", "together", "--jobs", "1000000"]) { bench, folder in
        try await eventually("it measures") { bench.output.contains("publishing and running") }
        let server = try #require(Self.processes(in: folder, called: "serve").first)
        kill(server, SIGKILL)
        #expect(try await bench.exitCode(within: .seconds(90)) == 7, "\(bench.output)")
        #expect(bench.output.contains("the server ended by itself with status 137"))
      }
    }

    @Test("that is killed takes its processes with it")
    func killed() async throws {
      let broker = try await ThrowawayBroker.start()
      defer { broker.remove() }
      try await Self.run(
        ["--phases", "together", "--jobs", "1000000"], broker: broker, leavesNothing: false
      ) { bench, folder in
        try await eventually("it measures") { bench.output.contains("publishing and running") }
        // Each with the shell that watches over it.
        #expect(try Self.processes(in: folder).count == 4)
        try await bench.kill9()
        try await eventually("its server and its worker are gone") {
          try Self.processes(in: folder).isEmpty
        }
      }
    }

    /// Runs a benchmark in a folder of its own, and looks at what it leaves on the broker, in the folder and among the
    /// processes.
    private static func run(
      _ arguments: [String], broker own: ThrowawayBroker? = nil, leavesNothing: Bool = true,
      _ body: (ChildProcess, URL) async throws -> Void
    ) async throws {
      let broker = if let own { own } else { try await ThrowawayBroker.shared() }
      let folder = FileManager.default.temporaryDirectory
        .appending(path: "warren-test-\(UUID().uuidString.prefix(8))")
      let stores = stores(in: folder)
      try FileManager.default.createDirectory(at: stores, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(at: folder) }
      let before = try await names(broker)
      let bench = try ChildProcess(
        WarrenSystem.program("warren"),
        [
          "bench", "--folder", stores.path, "--output", folder.appending(path: "report.json").path,
        ] + arguments,
        environment: ["WARREN_BROKER": broker.url], log: folder.appending(path: "bench.log"))
      try await body(bench, folder)
      guard leavesNothing else { return }
      // What others have left may go meanwhile.
      #expect(try await names(broker).subtracting(before) == [])
      #expect(try FileManager.default.contentsOfDirectory(atPath: stores.path).isEmpty)
      #expect(try processes(in: folder).isEmpty)
    }

    /// Of queues and exchanges.
    private static func names(_ broker: ThrowawayBroker) async throws -> Set<String> {
      let queues = try await broker.control("list_queues", "name")
      let exchanges = try await broker.control("list_exchanges", "name")
      return Set((queues + "\n" + exchanges).split(separator: "\n").map(String.init))
    }

    private static func stores(in folder: URL) -> URL { folder.appending(path: "stores") }

    /// The processes that a benchmark has started, whose configuration is in its folder.
    private static func processes(in folder: URL, called command: String? = nil) throws -> [pid_t] {
      let place = stores(in: folder).path + "/warren-bench-"
      return try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { name in
        guard let pid = pid_t(name),
          let line = try? String(contentsOfFile: "/proc/\(name)/cmdline", encoding: .utf8)
        else { return nil }
        let arguments = line.split(separator: "\0").map(String.init)
        guard arguments.contains(where: { $0.hasPrefix(place) }),
          command == nil || arguments.dropFirst().first == command
        else { return nil }
        return pid
      }
    }
  }
}
