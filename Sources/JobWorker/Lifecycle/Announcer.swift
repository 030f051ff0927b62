import AMQP
import JobTransport
import Jobs
import Logging
import Synchronization

/// Tells the server who this worker is: each time that it has its lease, and when it is asked to.
struct Announcer: Sendable {
  private let announcement: WorkerAnnouncement
  private let registration: Registration
  private let attempts: AttemptsAtHand
  private let consumers: QueueConsumers
  private let mail: BrokerAuthority
  private let lifecycle: WorkerLifecycle
  private let logger: Logger
  private let condition: WorkerCondition
  private let wakeUps: AsyncStream<Void>
  private let continuation: AsyncStream<Void>.Continuation

  /// - Parameters:
  ///   - announcement: what does not change while the worker runs.
  ///   - registration: under which epoch; told of what the broker has confirmed.
  ///   - attempts: what it runs.
  ///   - consumers: which of its queues are parked.
  ///   - condition: what keeps it from working as it should.
  ///   - wakeUps: each has the worker announced; several meanwhile do it once.
  ///   - mail: how messages reach the server; through the broker, even where the authority is in the process.
  init(
    _ announcement: WorkerAnnouncement, registration: Registration, attempts: AttemptsAtHand,
    consumers: QueueConsumers, condition: WorkerCondition,
    wakeUps: (stream: AsyncStream<Void>, continuation: AsyncStream<Void>.Continuation),
    mail: BrokerAuthority, lifecycle: WorkerLifecycle, logger: Logger
  ) {
    self.announcement = announcement
    self.registration = registration
    self.attempts = attempts
    self.consumers = consumers
    self.condition = condition
    self.mail = mail
    self.lifecycle = lifecycle
    self.logger = logger
    (self.wakeUps, continuation) = wakeUps
  }

  /// Has the worker announced soon. Asked for several times meanwhile, it is done once.
  func wake() {
    continuation.yield()
  }

  /// Runs until the task is cancelled.
  func run() async {
    for await _ in wakeUps {
      var pause = Pause(first: .milliseconds(400), longest: .seconds(10))
      while !Task.isCancelled {
        do {
          let announcement = current
          try await mail.send(.announcement(announcement))
          registration.confirm(announcement.epoch, at: .now)
          break
        } catch {
          let wait = pause.take()
          logger.warning(
            "not yet announced; it is tried again",
            metadata: ["error": "\(error)", "retry-in": "\(wait)"])
          if await lifecycle.reached(.leaving, within: wait) { return }
        }
      }
    }
  }

  private var current: WorkerAnnouncement {
    var announcement = announcement
    announcement.epoch = registration.epoch
    announcement.running = attempts.running
    let parked = consumers.parked
    announcement.parked = parked.isEmpty ? nil : parked
    announcement.outage = condition.outage
    let queues = condition.queueOutages
    announcement.queueOutages = queues.isEmpty ? nil : queues
    let stuck = condition.stuck
    announcement.stuck = stuck.isEmpty ? nil : stuck
    return announcement
  }

  /// Says that the worker has given back all that it had. A courtesy: the end of its connection says the same.
  func farewell() async {
    do {
      try await mail.send(.farewell(announcement.worker))
    } catch {
      logger.notice("could not take leave of the server", metadata: ["error": "\(error)"])
    }
  }
}

/// Under which epoch the worker announces itself and claims: a pure value.
struct WorkerEpoch: Sendable, Hashable {
  typealias Instant = ContinuousClock.Instant

  /// How long the server may take to hear an announcement, before a worker that it does not know must have been taken for
  /// lost since.
  static let patience = Duration.seconds(2)

  private(set) var number: Int64 = 1
  /// When the broker had the first announcement of it.
  private(set) var confirmed: Instant?

  /// The broker has an announcement.
  mutating func confirm(_ epoch: Int64, at now: Instant) {
    if epoch == number, confirmed == nil { confirmed = now }
  }

  /// The server does not know the worker under an epoch.
  ///
  /// - Returns: whether there is a new one now, since it has been told of this one.
  mutating func isUnknown(_ epoch: Int64, at now: Instant) -> Bool {
    guard epoch == number, let confirmed, now - confirmed > Self.patience else { return false }
    number += 1
    self.confirmed = nil
    return true
  }
}

/// The worker's epoch, shared by those who announce it and those who claim.
final class Registration: Sendable {
  private let state = Mutex(WorkerEpoch())
  private let (announcements, announced) = AsyncStream.makeStream(of: Never.self)

  var epoch: Int64 { state.withLock(\.number) }

  /// The broker has an announcement.
  func confirm(_ epoch: Int64, at now: ContinuousClock.Instant) {
    state.withLock { $0.confirm(epoch, at: now) }
    announced.finish()
  }

  /// The server does not know the worker under an epoch.
  ///
  /// - Returns: whether it is to be announced under a new one.
  func isUnknown(under epoch: Int64, at now: ContinuousClock.Instant) -> Bool {
    state.withLock { $0.isUnknown(epoch, at: now) }
  }

  /// Waits until the worker has been announced for the first time, or ends. For one caller.
  func waitUntilAnnounced(or lifecycle: WorkerLifecycle) async {
    await withTaskGroup { group in
      group.addTask { [announcements] in for await _ in announcements {} }
      group.addTask { await lifecycle.reached(.draining) }
      await group.next()
      group.cancelAll()
    }
  }
}
