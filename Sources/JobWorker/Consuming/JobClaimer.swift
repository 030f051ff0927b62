import Jobs
import Logging

/// Asks for jobs, has them run, and tells the queue's consumer how they end.
struct JobClaimer<Authority: JobAuthority>: Sendable {
  let worker: WorkerID
  /// Jobs of any of its types may lie in any of its queues, since a type's group may have been given another queue.
  let registry: JobRegistry
  let registration: Registration
  let attempts: AttemptsAtHand
  let authority: Authority
  let executor: Executor<Authority>
  let lifecycle: WorkerLifecycle
  /// The server does not know the worker: it is to be announced.
  let announce: @Sendable () -> Void
  /// Told of each answer that brings jobs.
  let observe: (@Sendable (JobServiceEvent) -> Void)?
  let logger: Logger
  private let types: [JobTypeID]

  init(
    worker: WorkerID, registry: JobRegistry, registration: Registration,
    attempts: AttemptsAtHand, authority: Authority, executor: Executor<Authority>,
    lifecycle: WorkerLifecycle, announce: @escaping @Sendable () -> Void,
    observe: (@Sendable (JobServiceEvent) -> Void)? = nil, logger: Logger
  ) {
    self.worker = worker
    self.registry = registry
    self.registration = registration
    self.attempts = attempts
    self.authority = authority
    self.executor = executor
    self.lifecycle = lifecycle
    self.announce = announce
    self.observe = observe
    self.logger = logger
    types = registry.types.keys.sorted()
  }

  /// Asks until there is an answer: the tickets are held meanwhile, so that nothing is lost by waiting. A worker that drains
  /// waits for the answer that is under way; what it brings is given back.
  func claim(_ count: Int, for consumer: QueueConsumer) async {
    let number = attempts.beginClaim()
    var request = ClaimRequest(
      worker: worker, epoch: registration.epoch, queue: consumer.queue, count: count,
      types: types)
    while lifecycle.phase == .working {
      do throws(AuthorityError) {
        guard let answer = try await authority.claim([request]).first else {
          throw AuthorityError("there is no answer to the claim")
        }
        return await take(answer, to: request, number, for: consumer)
      } catch {
        logger.notice(
          "a claim was not answered; it is asked again",
          metadata: ["queue": "\(request.queue)", "error": "\(error)"])
        request = request.repeated
      }
      let pause = Duration.milliseconds(500) * Double.random(in: 1...2)
      if await lifecycle.reached(.draining, within: pause) { break }
    }
    attempts.giveUpClaim(number)
    await consumer.unanswered()
  }

  private func take(
    _ answer: ClaimAnswer, to request: ClaimRequest, _ number: UInt64,
    for consumer: QueueConsumer
  ) async {
    // Nobody reports any more: the server takes them back with the lease.
    guard lifecycle.phase < .leaving else { return attempts.giveUpClaim(number) }
    if answer.rest == .unregistered, registration.isUnknown(under: request.epoch, at: .now) {
      logger.notice(
        "the server takes this worker for lost; it is announced anew",
        metadata: ["epoch": "\(registration.epoch)"])
      announce()
    }
    if !answer.jobs.isEmpty {
      observe?(.claimed(jobs: answer.jobs.count, queue: consumer.queue))
    }
    let begun = attempts.begin(answer.jobs, of: number)
    // Before they run, so that none ends before it is counted.
    await consumer.answered(jobs: answer.jobs.count, answer.rest)
    for (index, assignment) in answer.jobs.enumerated() {
      guard let attempt = begun[index] else {
        logger.error(
          "a job was granted twice", metadata: ["job": "\(assignment.job)"])
        await consumer.finished(isSettled: true)
        continue
      }
      // There is no slot for it.
      if index >= request.count { attempt.order(.giveBack) }
      start(assignment, attempt, for: consumer)
    }
  }

  private func start(
    _ assignment: JobAssignment, _ attempt: Attempt, for consumer: QueueConsumer
  ) {
    guard let type = registry.types[assignment.type] else {
      logger.error(
        "a job of a type that this worker does not have is given back",
        metadata: ["job": "\(assignment.job)", "type": "\(assignment.type)"])
      Task {
        await end(assignment, attempt, executor.giveBack(assignment, attempt), for: consumer)
      }
      return
    }
    executor.start(assignment, type, attempt, from: consumer.queue) { ending in
      await end(assignment, attempt, ending, for: consumer)
    }
  }

  private func end(
    _ assignment: JobAssignment, _ attempt: Attempt, _ ending: Executor<Authority>.Ending,
    for consumer: QueueConsumer
  ) async {
    attempts.leave(assignment.running)
    await consumer.finished(isSettled: ending == .reported || attempt.orders.contains(.stop))
  }
}
