import ArgumentParser
import Foundation
import JobClient
import Jobs

/// Which transitions a command shows.
struct EventFilterOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Only into these statuses, separated by commas.", valueName: "statuses"),
    transform: ArgumentText.statuses)
  var status: [JobStatus]?

  @Option(
    name: .customLong("type"),
    help: ArgumentHelp("Only of these job types, separated by commas.", valueName: "types"),
    transform: { try $0.split(separator: ",").map { try ArgumentText.jobType(String($0)) } })
  var jobType: [JobTypeID]?

  @Option(
    help: ArgumentHelp("Only of these job queues, separated by commas.", valueName: "queues"),
    transform: { try $0.split(separator: ",").map { try ArgumentText.queue(String($0)) } })
  var queue: [JobQueueName]?

  var filter: JobEventFilter {
    JobEventFilter(statuses: status ?? [], types: jobType ?? [], queues: queue ?? [])
  }
}

struct EventsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "events", abstract: "Shows what becomes of jobs, as it happens.",
    discussion: """
      A line for each change of a status: time, number, job, type, statuses, attempt, worker and reason; with --json an object \
      in each line. It goes on until Ctrl-C, over restarts of the server, and leaves nothing out. --after goes on after the \
      number of an earlier line; --after 0 begins with all that the server still has.
      """)

  @OptionGroup var filter: EventFilterOptions

  @Option(help: ArgumentHelp("Begin after this transition, not with now.", valueName: "number"))
  var after: Int64?

  @OptionGroup var server: ServerOptions

  func validate() throws {
    if let after, after < 0 { throw ValidationError("--after takes a number from 0 up") }
  }

  func run() async throws {
    let events = try server.client().events(filter.filter, after: after)
    let json = server.json
    try await Interruption.watching {
      for try await event in events { EventText.show(event, json: json) }
    }
  }
}

struct HistoryCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history",
    abstract: "Shows what has become of a job so far, a line for each change.")

  @OptionGroup var job: JobArgument
  @OptionGroup var server: ServerOptions

  func run() async throws {
    let client = try server.client()
    var events: [JobEvent] = []
    var next: Int64? = 0
    while let after = next {
      let part = try await client.history(of: job.id, after: after)
      if server.json {
        events += part.events
      } else {
        Console.write(part.events.map { EventText.line($0) + "\n" }.joined(), to: .output)
      }
      next = part.next
    }
    if server.json { Console.write(try JSONOutput.text(JobHistory(events: events)), to: .output) }
  }
}

struct WatchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch", abstract: "Shows what runs and what waits, as it changes.",
    discussion: """
      On a terminal: the queues, a bar for each job that runs, and the newest changes, drawn again and again until Ctrl-C. \
      Elsewhere a line for each change of a job's status, and one for each queue whose figures have changed, at most once a \
      second.
      """)

  @OptionGroup var server: ServerOptions

  func validate() throws {
    if server.json {
      throw ValidationError("watch is for people; warren events --json is for programs")
    }
  }

  func run() async throws {
    let client = try server.client()
    if Console.isTerminal(.output) {
      try await Interruption.watching { try await WatchScreen(client: client)() }
    } else {
      try await Interruption.watching { try await WatchLines(client: client)() }
    }
  }
}

/// Shows a job's log as it grows. The job's events say when it runs and when it has ended; while it runs, new lines are there
/// about once a second.
struct LogFollowing: Sendable {
  static let interval = Duration.seconds(1)

  let client: JobClient
  let job: JobID
  let json: Bool

  func callAsFunction() async throws {
    let first = try await show(after: 0, isFirst: true)
    try await Wakes.with(events: client.events(of: job), every: Self.interval) { wakes in
      var (last, isRunning) = (first, true)
      for try await wake in wakes {
        switch wake {
        case .event(.transition(let event)): isRunning = event.to.isHeld
        case .event(.end(let end)) where end.status == nil: return
        case .event: break
        case .tick: if !isRunning { continue }
        }
        last = try await show(after: last)
      }
    }
  }

  private func show(after number: Int64, isFirst: Bool = false) async throws -> Int64 {
    let log = try await client.log(of: job, after: number)
    if json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      for line in log.lines {
        Console.write(
          String(decoding: try encoder.encode(line), as: UTF8.self) + "\n", to: .output)
      }
    } else {
      Console.write(
        isFirst ? LogLines.text(log) : log.lines.map { LogLines.text($0) }.joined(), to: .output)
    }
    return log.lines.last?.number ?? number
  }
}

/// What makes a display look again: events, and a clock for what no event tells.
enum Wakes: Sendable {
  case event(JobStreamEvent)
  case tick

  /// Passes events and ticks on until the events end. Of what is not taken in time some is left out: whoever is woken looks for
  /// himself.
  static func with(
    events: JobEvents, every interval: Duration,
    _ body: @escaping @Sendable (AsyncThrowingStream<Wakes, any Error>) async throws -> Void
  ) async throws {
    let (wakes, continuation) = AsyncThrowingStream<Wakes, any Error>.makeStream(
      bufferingPolicy: .bufferingOldest(1_000))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        do {
          for try await event in events { continuation.yield(.event(event)) }
          continuation.finish()
        } catch {
          continuation.finish(throwing: error)
        }
      }
      group.addTask {
        while (try? await Task.sleep(for: interval)) != nil { continuation.yield(.tick) }
      }
      defer { group.cancelAll() }
      try await body(wakes)
    }
  }
}
