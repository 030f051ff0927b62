import Foundation
import JobClient
import Jobs
import Synchronization
import TestSupport
import Testing

extension SystemTests {
  @Suite("Streams of events")
  struct EventStreamTests {
    /// How long server and client are killed: `WARREN_EVENTS_SECONDS`, 20 s unless set.
    private static let seconds =
      ProcessInfo.processInfo.environment["WARREN_EVENTS_SECONDS"].flatMap(Double.init) ?? 20

    @Test(
      "every transition arrives once, in order, however often server and client are killed",
      .timeLimit(.minutes(20)))
    func killed() async throws {
      try await WarrenSystem.run(workers: 2) { system in
        let client = try JobClient(server: system.api.base)
        let library = Received()
        let command = CommandReader(system)
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask {
            for try await event in client.events(after: 0, patience: .seconds(120)) {
              library.note(event)
            }
          }
          try command.start()
          // A stream that never was connected does not come back.
          _ = try await system.api.schedule("files:short")
          try await eventually("both are connected") {
            command.collect()
            return library.last > 0 && command.last > 0
          }
          try await Self.underLoad(system) {
            var chance = Chaos.current.generator("events")
            let end = ContinuousClock.now + .seconds(Self.seconds)
            var kills = (server: 0, client: 0)
            while ContinuousClock.now < end {
              if chance.chance(2) {
                try await system.server.kill9()
                try await system.restartServer()
                kills.server += 1
              } else {
                try await command.kill()
                try command.start()
                kills.client += 1
              }
              try await Task.sleep(for: .milliseconds(chance.below(700)))
            }
            print("events: the server was killed \(kills.server) times, the client \(kills.client)")
          }
          try await command.kill()
          try command.start()
          try await eventually(within: .seconds(120), "all jobs have ended") {
            try await client.list(
              JobFilter(statuses: JobStatus.allCases.filter { !$0.isFinal }, pageSize: 1)
            ).total == 0
          }
          let history = try await Self.history(client)
          print("events: \(history.count) transitions")
          #expect(history.count > 30)
          try await eventually(within: .seconds(60), "both have all") {
            command.collect()
            return library.last >= history.last?.sequence ?? 0
              && command.last >= history.last?.sequence ?? 0
          }
          #expect(library.events == history)
          #expect(library.others.isEmpty)
          #expect(command.events == history)
          try await command.kill()
          group.cancelAll()
          while let ended = await group.nextResult() {
            if case .failure(let error) = ended, error as? JobClientError != .cancelled {
              throw error
            }
          }
        }
      }
    }

    private static func underLoad(
      _ system: WarrenSystem, _ disturb: @escaping @Sendable () async throws -> Void
    ) async throws {
      let end = TestSupport.Signal()
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          while !end.hasFired {
            // While the server is away it is refused.
            _ = try? await system.api.schedule("files:short")
            try await Task.sleep(for: .milliseconds(40))
          }
        }
        defer { end.fire() }
        try await disturb()
      }
    }

    /// What each job says of itself, in the order of all.
    private static func history(_ client: JobClient) async throws -> [JobEvent] {
      var events: [JobEvent] = []
      var filter = JobFilter(order: "created_at", pageSize: 200)
      repeat {
        let list = try await client.list(filter)
        for job in list.jobs { events += try await client.history(of: job.id).events }
        filter.after = list.next
      } while filter.after != nil
      return events.sorted { $0.sequence < $1.sequence }
    }
  }
}

/// What a stream has told.
private final class Received: Sendable {
  private let state = Mutex<(events: [JobEvent], others: [JobStreamEvent])>(([], []))

  var events: [JobEvent] { state.withLock { $0.events } }
  var others: [JobStreamEvent] { state.withLock { $0.others } }
  var last: Int64 { state.withLock { $0.events.last?.sequence ?? 0 } }

  func note(_ event: JobStreamEvent) {
    state.withLock { state in
      if case .transition(let event) = event {
        state.events.append(event)
      } else {
        state.others.append(event)
      }
    }
  }
}

/// `warren events --json`, killed and started again after the last whole line that it has written.
private final class CommandReader: Sendable {
  private struct State {
    var events: [JobEvent] = []
    var process: ChildProcess?
    var log: URL?
    /// How many lines of this process have been read.
    var lines = 0
    var number = 0
  }

  private let system: WarrenSystem
  private let state = Mutex(State())

  init(_ system: WarrenSystem) {
    self.system = system
  }

  var events: [JobEvent] { state.withLock { $0.events } }
  var last: Int64 { state.withLock { $0.events.last?.sequence ?? 0 } }

  func start() throws {
    let (number, last) = state.withLock { state in
      state.number += 1
      return (state.number, state.events.last?.sequence ?? 0)
    }
    let log = system.folder.appending(path: "events-\(number).log")
    let process = try ChildProcess(
      WarrenSystem.program("warren"), ["events", "--json", "--after", String(last)],
      environment: ["WARREN_SERVER": system.api.base], log: log)
    state.withLock { state in
      (state.process, state.log, state.lines) = (process, log, 0)
    }
  }

  func kill() async throws {
    guard let process = state.withLock({ $0.process }) else { return }
    try await process.send(SIGKILL)
    // One that was started just before the server was killed has ended by itself: it never was connected.
    let code = try await process.exitCode()
    #expect(code == 128 + SIGKILL || code == 3)
    collect()
  }

  /// Reads what is there by now.
  func collect() {
    state.withLock { state in
      guard let log = state.log, let text = try? String(contentsOf: log, encoding: .utf8) else {
        return
      }
      let whole = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
      for line in whole.dropFirst(state.lines) {
        state.lines += 1
        if let event = try? JSONDecoder().decode(JobEvent.self, from: Data(line.utf8)) {
          state.events.append(event)
        } else if line != "Killed", !line.hasPrefix("Error: the server at ") {
          Issue.record("\(line)")
        }
      }
    }
  }
}
