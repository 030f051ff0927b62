import AMQP
import JobTransport
import Jobs
import Logging

/// Tells the server who this worker is: each time that it has its lease, and when it is asked to.
struct Announcer: Sendable {
  private let announcement: WorkerAnnouncement
  private let jobs: JobsAtHand
  private let mail: BrokerAuthority
  private let lifecycle: WorkerLifecycle
  private let logger: Logger
  private let condition: WorkerCondition
  private let wakeUps: AsyncStream<Void>
  private let continuation: AsyncStream<Void>.Continuation

  /// - Parameters:
  ///   - announcement: what does not change while the worker runs.
  ///   - jobs: what it has at hand, of which the rest is made each time.
  ///   - condition: what keeps it from working as it should.
  ///   - wakeUps: each has the worker announced; several meanwhile do it once.
  ///   - mail: how messages reach the server; through the broker, even where the authority is in the process.
  init(
    _ announcement: WorkerAnnouncement, jobs: JobsAtHand, condition: WorkerCondition,
    wakeUps: (stream: AsyncStream<Void>, continuation: AsyncStream<Void>.Continuation),
    mail: BrokerAuthority, lifecycle: WorkerLifecycle, logger: Logger
  ) {
    self.announcement = announcement
    self.jobs = jobs
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
          var announcement = announcement
          announcement.running = jobs.running
          announcement.outage = condition.outage
          let queues = condition.queueOutages
          announcement.queueOutages = queues.isEmpty ? nil : queues
          announcement.stuck = condition.stuck.isEmpty ? nil : condition.stuck
          try await mail.send(.announcement(announcement))
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

  /// Says that the worker has given back all that it had. A courtesy: the end of its connection says the same.
  func farewell() async {
    do {
      try await mail.send(.farewell(announcement.worker))
    } catch {
      logger.notice("could not take leave of the server", metadata: ["error": "\(error)"])
    }
  }
}
