import Logging
import ServiceLifecycle
import Synchronization

/// What the server has set aside, refused or tried again since it started.
package struct ServerCounters: Sendable, Hashable, Codable {
  /// Messages that became dead letters, or were given up to the end of their queue.
  package internal(set) var refusedMessages = 0
  /// Dead letters that came into the store.
  package internal(set) var deadLetters = 0
  /// Dead letters that were published again.
  package internal(set) var redrivenLetters = 0
  /// Dead letters that somebody has dropped.
  package internal(set) var droppedLetters = 0
  /// Dead letters that went with their age, before anything had become of them.
  package internal(set) var prunedLetters = 0
  /// Messages with reports that only a newer server understands.
  package internal(set) var unknownReports = 0
  /// Reports that say nothing, or that the store does not take.
  package internal(set) var badReports = 0
  /// Messages in the claims queue that nobody can answer.
  package internal(set) var badClaims = 0
  /// Messages in the requests queue that are refused, or that nobody can answer.
  package internal(set) var badRequests = 0
  /// Tickets that the broker did not take.
  package internal(set) var refusedTickets = 0
  /// Answers to producers that could not be delivered and are tried again.
  package internal(set) var failedReplies = 0
  /// Times that a worker did not answer whether it is there, or has a job.
  package internal(set) var silentHolders = 0
  /// Events that were let go while the broker was away, or may not have been published.
  package internal(set) var lostEvents = 0
  /// Commands to workers that were let go because too many waited.
  package internal(set) var droppedCommands = 0
  /// Transactions of the status store that failed and were tried again.
  package internal(set) var storeFailures = 0
  /// Rows of the status store that could not be read, and whose jobs have failed with that.
  package internal(set) var rowsSetAside = 0
  /// Times that such a row was left out of what was read or changed.
  package internal(set) var rowsSkipped = 0

  private enum CodingKeys: String, CodingKey {
    case refusedMessages = "refused_messages"
    case deadLetters = "dead_letters"
    case redrivenLetters = "redriven_letters"
    case droppedLetters = "dropped_letters"
    case prunedLetters = "pruned_letters"
    case unknownReports = "unknown_reports"
    case badReports = "bad_reports"
    case badClaims = "bad_claims"
    case badRequests = "bad_requests"
    case refusedTickets = "refused_tickets"
    case failedReplies = "failed_replies"
    case silentHolders = "silent_holders"
    case lostEvents = "lost_events"
    case droppedCommands = "dropped_commands"
    case storeFailures = "store_failures"
    case rowsSetAside = "rows_set_aside"
    case rowsSkipped = "rows_skipped"
  }
}

/// The server's counters, and its log of what happens often: the first of a burst is logged as it is, the others are
/// counted and told of together.
final class ServerLog: Sendable {
  private struct Burst {
    var since: Duration
    var more = 0
    var level: Logger.Level
  }

  private struct State {
    var counters = ServerCounters()
    var bursts: [String: Burst] = [:]
  }

  let logger: Logger
  private let clock: any ServerClock
  private let window: Duration
  private let state = Mutex(State())
  private let suppressed = Signal()

  init(_ logger: Logger, clock: any ServerClock = SystemClock(), window: Duration = .seconds(30)) {
    self.logger = logger
    self.clock = clock
    self.window = window
  }

  var counters: ServerCounters { state.withLock { $0.counters } }

  func count(_ counter: any WritableKeyPath<ServerCounters, Int> & Sendable, _ number: Int = 1) {
    guard number > 0 else { return }
    state.withLock { $0.counters[keyPath: counter] += number }
  }

  /// - Parameter message: always the same words for the same thing; what varies is metadata.
  func burst(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata = [:]) {
    let uptime = clock.uptime
    let isFirst = state.withLock { state in
      if let burst = state.bursts[message], uptime - burst.since < window {
        state.bursts[message]?.more += 1
        return false
      }
      state.bursts[message] = Burst(
        since: uptime, more: state.bursts[message]?.more ?? 0, level: level)
      return true
    }
    if isFirst {
      logger.log(level: level, "\(message)", metadata: metadata)
    } else {
      suppressed.raise()
    }
  }

  /// Tells of the bursts, each once a window.
  func run() async {
    while !Task.isCancelled {
      await suppressed.wait(atMost: nil, clock: clock)
      guard (try? await clock.sleep(for: window)) != nil else { break }
      if flush() { suppressed.raise() }
    }
    flush(all: true)
  }

  /// - Returns: whether some are still open.
  @discardableResult
  func flush(all: Bool = false) -> Bool {
    let uptime = clock.uptime
    let (closed, isOpen) = state.withLock { state in
      let closed = state.bursts.filter { all || uptime - $0.value.since >= window }
      for message in closed.keys { state.bursts[message] = nil }
      return (closed, state.bursts.values.contains { $0.more > 0 })
    }
    for (message, burst) in closed where burst.more > 0 {
      logger.log(
        level: burst.level, "\(message): and more", metadata: ["count": "\(burst.more)"])
    }
    return isOpen
  }
}
