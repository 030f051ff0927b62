import AMQP
import JobTransport
import Jobs
import Logging
import ServiceLifecycle
import Synchronization

/// Sends the final job to the producers that gave a `reply_to`. Who has been told is in the store, so that nobody is
/// forgotten over a restart; after one, somebody may be told twice.
///
/// Each address is served by itself: one whose messages the broker does not take is tried again, less and less often, and
/// holds up no other.
struct ReplyPublisher<Broker: MessageBroker>: Service {
  private static var batchLimit: Int { 200 }

  let store: any JobStore
  let broker: Broker
  /// Raised when a job has ended whose producer wants to know.
  let endings: Signal
  let clock: any ServerClock
  let log: ServerLog

  private typealias Letter = (job: Job, reply: JobReply)

  func run() async throws {
    let lanes = ReplyLanes()
    await cancelWhenGracefulShutdown {
      await withDiscardingTaskGroup { group in
        while !Task.isCancelled {
          var pause: Duration?
          // One look at the clock a turn: a pause that ends meanwhile must not be missed.
          let uptime = clock.uptime
          do {
            try await lookThrough(lanes, at: uptime) { address, letters in
              group.addTask { await send(letters, to: address, lanes) }
            }
            pause = lanes.next(after: uptime)
          } catch {
            log.count(\.storeFailures)
            log.burst(.error, "producers cannot be told now", ["error": "\(error)"])
            pause = .seconds(1)
          }
          await endings.wait(atMost: pause, clock: clock)
        }
      }
    }
  }

  /// Goes through all who have not been told, for as long as more may be sent at the same time.
  private func lookThrough(
    _ lanes: ReplyLanes, at uptime: Duration, _ start: (String, [Letter]) -> Void
  ) async throws(StoreError) {
    lanes.follow(await broker.generation)
    var position: Int64 = 0
    while !Task.isCancelled, lanes.haveRoom {
      let pending = try await store.pendingReplies(after: position, limit: Self.batchLimit)
      guard let last = pending.last else { return }
      position = last.position
      let letters: [Letter] = pending.flatMap { pending in
        pending.job.replies.map { (pending.job, $0) }
      }.filter { !lanes.isTold($0) }
      for (address, letters) in Dictionary(grouping: letters, by: \.reply.address)
      where lanes.begin(address, letters.count, at: uptime) {
        start(address, letters)
      }
    }
  }

  private func send(_ letters: [Letter], to address: String, _ lanes: ReplyLanes) async {
    var told: [Letter] = []
    var ready: [(letter: Letter, publication: Publication)] = []
    for letter in letters {
      do {
        ready.append(
          (
            letter,
            Publication(
              try WireCoding.message(letter.job, for: letter.reply), exchange: "",
              routingKey: address, mandatory: true)
          ))
      } catch {
        log.burst(
          .error, "a producer cannot be told of its job",
          ["job": "\(letter.job.id)", "error": "\(error)"])
        told.append(letter)
      }
    }
    let verdicts = await broker.publish(ready.map(\.publication), timeout: .seconds(10))
    for ((letter, _), verdict) in zip(ready, verdicts) {
      switch verdict {
      case .confirmed:
        told.append(letter)
      case .returned:
        log.burst(
          .notice, "a producer wanted to be told of its job, and is gone",
          ["job": "\(letter.job.id)", "address": "\(address)"])
        told.append(letter)
      default:
        log.burst(
          .notice, "a producer could not be told of its job now; it is tried again",
          ["job": "\(letter.job.id)", "address": "\(address)", "verdict": "\(verdict)"])
      }
    }
    let failed = letters.count - told.count
    log.count(\.failedReplies, failed)
    let noted = told
    // Until it is noted the address is not served again: its producers would be told each time.
    _ = await clock.untilDone { () throws(StoreError) in
      let answers = try await store.apply(
        noted.map { JobCommand(.noteReplies([$0.reply]), of: $0.job.id) }, at: clock.now)
      lanes.remember(zip(noted, answers).filter { $0.1 == nil }.map(\.0))
    } failed: { error in
      log.count(\.storeFailures)
      log.burst(.error, "that producers were told cannot be noted", ["error": "\(error)"])
    }
    lanes.end(address, letters.count, isFailing: failed > 0, at: clock.uptime)
    endings.raise()
  }
}

/// Which addresses are being served, and which are left alone for a while.
private final class ReplyLanes: Sendable {
  /// The most letters under way. Those to addresses that have failed have a part of their own, so that any number of them
  /// leaves room for the others.
  private static let limit = 2000
  private static let failingLimit = 400
  private static let toldLimit = 10_000

  private struct State {
    var generation: UInt64 = 0
    /// With whether it had failed before.
    var busy: [String: Bool] = [:]
    var underWay = 0
    var failingUnderWay = 0
    var failing = RetrySchedule<String>(.patient)
    /// Who was told of a job whose row does not take it.
    var told: Set<Told> = []
  }

  private struct Told: Hashable {
    let job: JobID
    let reply: JobReply
  }

  private let state = Mutex(State())

  /// Remembers who was told where the store cannot: they would be told again and again. Bounded: it forgets all when it is
  /// full, which tells some once more.
  func remember(_ letters: [(job: Job, reply: JobReply)]) {
    guard !letters.isEmpty else { return }
    state.withLock { state in
      if state.told.count + letters.count > Self.toldLimit { state.told = [] }
      state.told.formUnion(letters.map { Told(job: $0.job.id, reply: $0.reply) })
    }
  }

  func isTold(_ letter: (job: Job, reply: JobReply)) -> Bool {
    state.withLock { $0.told.contains(Told(job: letter.job.id, reply: letter.reply)) }
  }

  var haveRoom: Bool { state.withLock { $0.underWay < Self.limit } }

  func next(after uptime: Duration) -> Duration? {
    state.withLock { $0.failing.next(after: uptime) }
  }

  /// On a new connection every address may be tried again.
  func follow(_ generation: UInt64) {
    state.withLock { state in
      guard state.generation != generation else { return }
      state.generation = generation
      state.failing.clear()
    }
  }

  func begin(_ address: String, _ count: Int, at uptime: Duration) -> Bool {
    state.withLock { state in
      guard state.busy[address] == nil, !state.failing.isWaiting(address, at: uptime) else {
        return false
      }
      let hasFailed = state.failing.isFailing(address)
      if hasFailed {
        guard state.failingUnderWay < Self.failingLimit else { return false }
        state.failingUnderWay += count
      } else {
        state.underWay += count
      }
      state.busy[address] = hasFailed
      return true
    }
  }

  func end(_ address: String, _ count: Int, isFailing: Bool, at uptime: Duration) {
    state.withLock { state in
      if state.busy.removeValue(forKey: address) == true {
        state.failingUnderWay -= count
      } else {
        state.underWay -= count
      }
      if isFailing {
        state.failing.fail(address, at: uptime)
      } else {
        state.failing.succeed(address)
      }
    }
  }
}
