import Foundation
import Jobs
import Synchronization
import TestSupport
import Testing

extension SystemTests {
  /// Processes that are killed at random moments under a steady load.
  @Suite("Chaos")
  struct ChaosTests {
    /// How often each kind of process is killed.
    private static let kills = Chaos.current.kills ?? 50
    private static let brokerKills = Chaos.current.kills ?? 8

    @Test("workers: every job ends once, and only what was running at a kill runs again")
    func workers() async throws {
      // A job may be unlucky more often than the limit of ordinary life allows.
      let configuration = TestJobs.configuration + "\nserver: {poison_limit: 1000}\n"
      try await WarrenSystem.run(configuration, workers: 2) { system in
        try await Self.underLoad(system) {
          var chance = Chaos.current.generator("workers")
          for number in 0..<Self.kills {
            try await Task.sleep(for: .milliseconds(chance.below(400)))
            // Before the kill, so that what others do because of it comes after.
            try system.append("x worker-\(number)", to: "executions")
            try await system.worker(number).kill9()
            // The other one still works.
            try await system.startWorker(waiting: false)
          }
        }
      }
    }

    @Test("the server: every job ends once, and none runs again")
    func server() async throws {
      try await WarrenSystem.run(workers: 2) { system in
        try await Self.underLoad(system, repeats: false) {
          var chance = Chaos.current.generator("server")
          for _ in 0..<Self.kills {
            try await Task.sleep(for: .milliseconds(chance.below(400)))
            try await system.server.kill9()
            try await system.restartServer()
          }
        }
      }
    }

    @Test("the broker: every job ends once, and none runs again")
    func broker() async throws {
      try await WarrenSystem.run(workers: 2, ownBroker: true) { system in
        try await Self.underLoad(system, every: .milliseconds(400), repeats: false) {
          var chance = Chaos.current.generator("broker")
          for _ in 0..<Self.brokerKills {
            try await Task.sleep(for: .milliseconds(chance.below(400)))
            try await system.broker.kill()
            try await system.broker.start()
            try await system.untilReady()
          }
        }
      }
    }

    @Test("everything at once: no job is lost, none ends twice, and no process ends by itself")
    func everything() async throws {
      let configuration = TestJobs.configuration + "\nserver: {poison_limit: 1000}\n"
      // Two heartbeats that pass end a connection: shorter than the longest standstill.
      try await WarrenSystem.run(configuration, workers: 3, ownBroker: true, heartbeat: 4) {
        system in
        let memory = MemorySamples()
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { try await memory.watch(system) }
          try await Self.underLoad(system, every: .milliseconds(100), excused: false) {
            var chaos = Chaos.current.disturbances(system)
            try await chaos.run()
          }
          group.cancelAll()
          try await group.waitForAll()
        }
        // Those that were not killed are there still.
        #expect(try await system.server.isRunning)
        for number in system.livingWorkers {
          #expect(try await system.worker(number).isRunning, "worker-\(number)")
        }
        memory.check()
      }
    }

    /// Schedules jobs for as long as `disturb` goes on, then waits for all of them and looks at what has become of them.
    private static func underLoad(
      _ system: WarrenSystem, every pause: Duration = .milliseconds(20), repeats: Bool = true,
      excused: Bool = true, _ disturb: @escaping @Sendable () async throws -> Void
    ) async throws {
      let end = TestSupport.Signal()
      let backlog = Backlog()
      var accepted: Set<String> = []
      try await withThrowingTaskGroup(of: Set<String>.self) { group in
        for _ in 0..<4 {
          group.addTask {
            var ids: Set<String> = []
            while !end.hasFired {
              if backlog.hasRoom {
                let key = UUID().uuidString.lowercased()
                ids.insert(try await Self.schedule(system, key))
                backlog.add()
              }
              try await Task.sleep(for: pause)
            }
            return ids
          }
        }
        group.addTask {
          while !end.hasFired {
            if let done = try? await Self.completed(system) { backlog.note(completed: done) }
            try await Task.sleep(for: .milliseconds(500))
          }
          return []
        }
        do {
          try await disturb()
        } catch {
          end.fire()
          throw error
        }
        end.fire()
        for try await ids in group { accepted.formUnion(ids) }
      }
      do {
        try await eventually(within: .seconds(180), "all \(accepted.count) jobs have ended") {
          try await Self.completed(system) == accepted.count
        }
      } catch {
        try await Self.reportOthers(system)
        throw error
      }
      let log = try await TransitionLog(system)
      #expect(log.faults.isEmpty)
      #expect(Set(log.steps.keys) == accepted)
      // A line for each execution that has begun, and for each that has come to its end.
      let lines = system.lines(of: "executions").map { $0.split(separator: " ").map(String.init) }
      let begun = Dictionary(grouping: lines.filter { $0[0] == "+" }, by: { $0[1] })
      let ended = Dictionary(grouping: lines.filter { $0[0] == "-" }, by: { $0[1] })
      #expect(Set(begun.keys) == accepted)
      #expect(Set(ended.keys) == accepted)
      guard repeats else {
        #expect(begun.values.allSatisfy { $0.count == 1 })
        return
      }
      // A connection that is closed lets its job begin again elsewhere, and stops it here.
      guard excused else { return }
      #expect(begun.values.contains { $0.count > 1 }, "no kill has hit a job")
      #expect(Self.unexcused(lines).isEmpty)
    }

    private static func completed(_ system: WarrenSystem) async throws -> Int? {
      guard
        case .integer(let total)? =
          try await system.api.get("/jobs?status=completed&page_size=1")["total"]
      else { return nil }
      return Int(total)
    }

    /// Shows some of the jobs that are not completed, and why.
    private static func reportOthers(_ system: WarrenSystem) async throws {
      for status in JobStatus.allCases where status != .completed {
        let page = try await system.api.get("/jobs?status=\(status.rawValue)&page_size=5")
        guard let total = page["total"], total != 0 else { continue }
        Issue.record("\(status): \(total) jobs, such as \(page["jobs"]?.text ?? "none")")
      }
    }

    /// The jobs that began again though the worker of their last execution had not been killed.
    private static func unexcused(_ lines: [[String]]) -> Set<String> {
      var killed: Set<String> = []
      var workers: [String: String] = [:]
      var unexcused: Set<String> = []
      for line in lines {
        switch line[0] {
        case "x": killed.insert(line[1])
        case "+":
          if let last = workers[line[1]], !killed.contains(last) { unexcused.insert(line[1]) }
          workers[line[1]] = line[2]
        default: break
        }
      }
      return unexcused
    }

    /// Asks until there is an answer: with the same key it is the same job.
    private static func schedule(_ system: WarrenSystem, _ key: String) async throws -> String {
      let deadline = ContinuousClock.now + .seconds(60)
      while ContinuousClock.now < deadline {
        if let id = try? await system.api.schedule(
          "files:short", [:], ["idempotency_key": .string(key)])
        {
          return id
        }
        try await Task.sleep(for: .milliseconds(50))
      }
      throw NotInTime(what: "a job that is accepted")
    }
  }
}

/// How many jobs are open: no more than are done soon once the disturbances are over, however slow the machine is.
private final class Backlog: Sendable {
  private static let most = 400
  private let counts = Mutex((accepted: 0, completed: 0))

  var hasRoom: Bool { counts.withLock { $0.accepted - $0.completed < Self.most } }

  func add() { counts.withLock { $0.accepted += 1 } }

  func note(completed: Int) { counts.withLock { $0.completed = completed } }
}
