import AMQP
import JobTransport
import Jobs
import TestSupport

@testable import JobWorker

/// The consuming side of a worker, over a queue in memory.
struct LaneHarness<Authority: JobAuthority>: Sendable {
  let queue = MemoryQueue()
  let authority: Authority
  let lifecycle = WorkerLifecycle()
  let deadlines = DeadlineQueue()
  let attempts = AttemptsAtHand()
  let registration = Registration()
  let announcements = Recorder<Int64>()
  /// What was no ticket.
  let others = Recorder<Int>()
  let consumer: QueueConsumer
  private let claimer: JobClaimer<Authority>

  init(
    _ authority: Authority, types: [RegisteredJobType], capacity: Int = 1,
    configure: (inout LaneState.Settings) -> Void = { _ in }
  ) throws {
    var registry = JobRegistry()
    for type in types { try registry.register(type) }
    let worker = WorkerID(rawValue: "w")
    self.authority = authority
    var settings = LaneState.Settings(capacity: capacity)
    configure(&settings)
    consumer = QueueConsumer(
      .compute, settings, deadlines: deadlines, lifecycle: lifecycle,
      subscribe: { [queue] prefetch in queue.subscribe(prefetch: Int(prefetch)) },
      others: { [others] deliveries, consumer in
        others.add(deliveries.count)
        await consumer.ack(deliveries.map(\.tag))
      })
    claimer = JobClaimer(
      worker: worker, registry: registry, registration: registration, attempts: attempts,
      authority: authority,
      executor: Executor(
        authority: authority, worker: worker, settings: ExecutionSettings(),
        sender: ReportSender(
          authority: authority, keep: { [attempts] in attempts.keep($0) }, lifecycle: lifecycle,
          logger: silent),
        deadlines: deadlines, condition: WorkerCondition(), onTrouble: { _, _ in },
        logger: silent),
      lifecycle: lifecycle,
      announce: { [announcements, registration] in announcements.add(registration.epoch) },
      logger: silent)
  }

  /// Runs it while `body` does; it is told to drain afterwards.
  ///
  /// - Returns: whether it has ended in time.
  func run(_ body: @Sendable () async throws -> Void) async throws -> Bool {
    let ended = Signal()
    return try await withThrowingTaskGroup { group in
      group.addTask {
        await consumer.run(claim: claimer.claim)
        ended.fire()
      }
      defer { lifecycle.advance(to: .leaving) }
      try await body()
      attempts.drain()
      lifecycle.advance(to: .draining)
      return await ended.wait(for: .seconds(60))
    }
  }
}

extension LaneHarness where Authority == MemoryAuthority {
  /// Adds a job and its ticket.
  @discardableResult
  func submit(_ job: Job) -> JobID {
    authority.add(job)
    queue.publish()
    return job.id
  }
}
