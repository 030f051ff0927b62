import AMQP
import JobTransport
import Jobs
import Logging

/// Follows the server's commands, which come through the worker's exclusive queue. It is on the connection that the jobs
/// come through as well, so that the lease and the deliveries end together.
struct ControlConsumer: Sendable {
  let worker: WorkerID
  let consuming: Connection
  let publishing: Connection
  let names: TransportNames
  let attempts: AttemptsAtHand
  let consumers: QueueConsumers
  let announcer: Announcer
  let callbacks: CallbackRunner
  /// Hands over reports.
  let report: @Sendable ([JobReport]) async throws -> Void
  let lifecycle: WorkerLifecycle
  let patience: Duration
  let logger: Logger

  /// Runs until the task is cancelled: a worker that drains obeys still.
  func run() async {
    do {
      // A command that is lost with the connection is given again.
      let subscription = Subscription(queue: names.worker(worker), prefetch: 0, noAck: true)
      guard
        let consumer = try await consuming.subscribe(subscription, until: lifecycle, logger: logger)
      else { return }
      try await withThrowingDiscardingTaskGroup { group in
        for try await deliveries in consumer {
          // The next command waits neither for a callback nor for replies to be confirmed.
          for delivery in deliveries {
            guard let question = follow(delivery) else { continue }
            group.addTask { await answer(question, to: delivery.message) }
          }
        }
      }
    } catch {
      // Without its control queue the worker counts as gone.
      lifecycle.fail(error)
    }
  }

  /// What takes its time.
  private enum Question: Sendable {
    case confirm([RunningAttempt])
    case reportAgain(RunningAttempt)
    case call(JobCallback, JobAssignment)
    case renew(JobQueueName)
    case wake(JobQueueName)
  }

  /// - Returns: what takes longer than to be told.
  private func follow(_ delivery: Delivery) -> Question? {
    do {
      switch try WireCoding.command(delivery.message) {
      case .cancel(let job, let attempt, let reason):
        attempts.tell(RunningAttempt(job: job, attempt: attempt), .cancel, because: reason)
      case .suspend(let job, let attempt):
        attempts.tell(RunningAttempt(job: job, attempt: attempt), .suspend)
      case .stop(let job, let attempt):
        attempts.stop(RunningAttempt(job: job, attempt: attempt))
      case .released(let job, let attempt):
        attempts.release(RunningAttempt(job: job, attempt: attempt))
      case .announce: announcer.wake()
      case .ping: break
      case .renew(let queue): return .renew(queue)
      case .wake(let queue): return .wake(queue)
      case .confirm(let asked): return .confirm(asked)
      case .reportAgain(let job, let attempt):
        return .reportAgain(RunningAttempt(job: job, attempt: attempt))
      case .call(let callback, let assignment): return .call(callback, assignment)
      }
    } catch {
      logger.warning("a command was not understood", metadata: ["error": "\(error)"])
    }
    return nil
  }

  private func answer(_ question: Question, to message: Message) async {
    let reply: ControlReply
    switch question {
    case .confirm(let asked): reply = .attempts(attempts.states(of: asked))
    case .reportAgain(let attempt): return await reportAgain(attempt)
    case .call(let callback, let assignment):
      reply = await callbacks.call(callback, assignment)
    case .renew(let queue): return await consumers.renew(queue)
    case .wake(let queue): return await consumers.wake(queue)
    }
    guard let address = message.properties.replyTo else {
      logger.warning("a question names no reply_to, so that nobody can be answered")
      return
    }
    do {
      var answer = try WireCoding.message(reply)
      answer.properties.correlationID = message.properties.correlationID
      // A server from before there was that exchange is answered over direct reply-to.
      let exchange = names.isAnswers(address) ? names.answers : ""
      let verdict = await publishing.publish(
        Publication(answer, exchange: exchange, routingKey: address), timeout: patience)
      guard verdict != .confirmed else { return }
      logger.notice("a reply was not delivered", metadata: ["verdict": "\(verdict)"])
    } catch {
      logger.error("a reply cannot be written", metadata: ["error": "\(error)"])
    }
  }

  /// Tried once: the server asks again for as long as it does not have it.
  private func reportAgain(_ attempt: RunningAttempt) async {
    guard let outcome = attempts.outcome(of: attempt) else {
      logger.notice(
        "an outcome that the server asks for again is not kept any longer",
        metadata: ["job": "\(attempt.job)", "attempt": "\(attempt.attempt)"])
      return
    }
    logger.notice(
      "an outcome is reported again: the server does not have it",
      metadata: ["job": "\(attempt.job)", "attempt": "\(attempt.attempt)"])
    do {
      try await report([outcome])
    } catch {
      logger.warning(
        "an outcome could not be reported again",
        metadata: ["job": "\(attempt.job)", "error": "\(error)"])
    }
  }
}

/// Calls the callbacks that the server asks for, while a client waits for the answer.
struct CallbackRunner: Sendable {
  let worker: WorkerID
  let registry: JobRegistry
  /// How long a callback may take.
  let limit: Duration
  /// Hands over what a callback keeps.
  let report: @Sendable ([JobReport]) async throws -> Void
  let limits: OutcomeLimits
  let deadlines: DeadlineQueue
  let logger: Logger

  func call(_ callback: JobCallback, _ assignment: JobAssignment) async -> ControlReply {
    guard let type = registry.types[assignment.type], let body = type.callback(callback) else {
      return .unknownCallback
    }
    return await run(body, callback, assignment)
  }

  func run(
    _ body: @escaping RegisteredJobType.Callback, _ callback: JobCallback,
    _ assignment: JobAssignment
  ) async -> ControlReply {
    let context = JobContext(
      assignment: assignment, logger: logger, link: link(callback, assignment))
    // Not a child task: a callback that does not end when it is told to must not hold up the answer.
    let call = Task { try await body(assignment.params, context) }
    let (replies, reply) = AsyncStream.makeStream(of: ControlReply.self)
    let wait = Task {
      switch await call.result {
      case .success: reply.yield(.done)
      case .failure(let error): reply.yield(.failed(limits.bounded(String(describing: error))))
      }
    }
    let deadline = deadlines.after(limit) {
      call.cancel()
      reply.yield(.failed("the \(callback.rawValue) callback took longer than \(limit)"))
    }
    defer {
      deadlines.cancel(deadline)
      wait.cancel()
    }
    for await answer in replies { return answer }
    return .failed("the worker ends")
  }

  /// A job that this worker runs may save a snapshot before it is suspended; otherwise there is no attempt to keep anything
  /// for.
  private func link(_ callback: JobCallback, _ assignment: JobAssignment) -> JobLink {
    let refusal = PermanentFailure(
      "the \(callback.rawValue) callback can neither lock nor change its job")
    return JobLink(
      progress: { _ in },
      snapshot: { snapshot in
        guard callback == .suspend, assignment.attempt > 0 else { throw refusal }
        try limits.check(snapshot)
        try await report([assignment.report(.snapshot(snapshot), by: worker)])
      },
      policy: { _, _ in throw refusal },
      lock: { _ in throw refusal })
  }
}
