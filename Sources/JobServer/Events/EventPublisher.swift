import AMQP
import JobTransport
import Jobs
import Logging
import ServiceLifecycle
import Synchronization

/// Publishes each change of a status to the exchange of events. Nobody waits for it: what cannot be published is counted.
///
/// When nobody is bound that wants an event, the broker returns it; its kind is left out for a moment then. So events cost
/// next to nothing where nobody listens, and who begins to listen misses at most those of ``EventRoutes/holdOff``.
struct EventPublisher<Broker: MessageBroker>: Service {
  let queue: EventQueue
  let broker: Broker
  let names: TransportNames
  let clock: any ServerClock
  let log: ServerLog
  /// How many are published in order to find out whether anybody wants them.
  private static var probeLimit: Int { 64 }
  private static var batchLimit: Int { 1000 }

  func run() async throws {
    await cancelWhenGracefulShutdown {
      var routes = EventRoutes()
      while !Task.isCancelled {
        let (events, lost) = await queue.next()
        if lost > 0 {
          log.count(\.lostEvents, lost)
          log.burst(.warning, "events were not published", ["count": "\(lost)"])
        }
        await publish(events, &routes)
      }
    }
  }

  private func publish(_ events: [JobEvent], _ routes: inout EventRoutes) async {
    var rest = events[...]
    while !rest.isEmpty, !Task.isCancelled {
      // In their order: a listener sees a job's changes as they were.
      let uptime = clock.uptime
      var batch: [(event: JobEvent, key: String)] = []
      var hasProbes = false
      while batch.count < (hasProbes ? Self.probeLimit : Self.batchLimit), let event = rest.first {
        rest.removeFirst()
        let key = names.eventKey(event)
        guard !routes.isUnwanted(key, at: uptime) else { continue }
        if !routes.isWanted(key) { hasProbes = true }
        batch.append((event, key))
      }
      await publish(batch, &routes)
    }
  }

  private func publish(
    _ batch: [(event: JobEvent, key: String)], _ routes: inout EventRoutes
  ) async {
    var publications: [Publication] = []
    var keys: [String] = []
    for (event, key) in batch {
      do {
        publications.append(
          Publication(
            try WireCoding.message(event), exchange: names.events, routingKey: key,
            mandatory: true))
        keys.append(key)
      } catch {
        log.burst(.error, "an event cannot be published", ["error": "\(error)"])
      }
    }
    guard !publications.isEmpty else { return }
    let verdicts = await broker.publish(publications, timeout: .seconds(30))
    var failed = 0
    for (key, verdict) in zip(keys, verdicts) {
      switch verdict {
      case .confirmed: routes.note(key, isWanted: true, at: clock.uptime)
      case .returned: routes.note(key, isWanted: false, at: clock.uptime)
      default: failed += 1
      }
    }
    if failed > 0 {
      log.count(\.lostEvents, failed)
      log.burst(.warning, "events may not have been published", ["count": "\(failed)"])
    }
  }
}

/// Which kinds of events somebody is bound for, as far as the broker has told.
struct EventRoutes: Sendable {
  /// How long a kind is left out that nobody wanted.
  static let holdOff = Duration.milliseconds(100)
  /// More kinds than any installation has; a bound, since keys are made of what producers name.
  private static let limit = 10_000

  private var wanted: Set<String> = []
  private var unwanted: [String: Duration] = [:]

  func isWanted(_ key: String) -> Bool { wanted.contains(key) }

  func isUnwanted(_ key: String, at uptime: Duration) -> Bool {
    unwanted[key].map { $0 > uptime } ?? false
  }

  mutating func note(_ key: String, isWanted: Bool, at uptime: Duration) {
    if wanted.count + unwanted.count >= Self.limit { self = EventRoutes() }
    if isWanted {
      wanted.insert(key)
      unwanted[key] = nil
    } else {
      wanted.remove(key)
      unwanted[key] = uptime + Self.holdOff
    }
  }
}

/// Events that wait to be published. While the broker is away only the newest are kept.
final class EventQueue: Sendable {
  static let capacity = 10_000

  private struct State {
    var waiting: [JobEvent] = []
    var lost = 0
  }

  private let state = Mutex(State())
  private let signal = Signal()

  func append(_ events: [JobEvent]) {
    guard !events.isEmpty else { return }
    state.withLock { state in
      state.waiting += events
      let excess = state.waiting.count - Self.capacity
      if excess > 0 {
        state.waiting.removeFirst(excess)
        state.lost += excess
      }
    }
    signal.raise()
  }

  /// What waits, and how many were let go before it; waits for the first one.
  func next() async -> (events: [JobEvent], lost: Int) {
    while !Task.isCancelled {
      let (events, lost) = state.withLock { state in
        defer { state = State() }
        return (state.waiting, state.lost)
      }
      if !events.isEmpty { return (events, lost) }
      await signal.wait(atMost: nil)
    }
    return ([], 0)
  }
}
