import Logging

/// Requests that wait for their reply. Belongs to the connection's actor.
final class RequestTable {
  private struct Pending {
    var deadline: Deadline?
    /// The request itself, which need not be sent any more once nobody waits for the reply.
    weak var batch: PublishBatch?
    var resume: (Result<Message, AMQPError>) -> Void
  }

  /// By correlation id.
  private var pending: [String: Pending] = [:]

  func add(_ id: String, deadline: Deadline, resume: @escaping (Result<Message, AMQPError>) -> Void)
  {
    pending[id] = Pending(deadline: deadline, resume: resume)
  }

  func isPending(_ id: String) -> Bool { pending[id] != nil }

  func sent(_ id: String, _ batch: PublishBatch) { pending[id]?.batch = batch }

  func finish(_ id: String, _ result: Result<Message, AMQPError>) {
    guard let request = pending.removeValue(forKey: id) else { return }
    request.deadline?.cancel()
    request.batch?.finish("nobody waits for the reply")
    request.resume(result)
  }

  /// What became of the request itself. A confirmed one goes on waiting for the reply.
  func settle(_ id: String, _ verdict: PublishVerdict) {
    switch verdict {
    case .confirmed: break
    case .returned(let code, let text): finish(id, .failure(.returned(code: code, text: text)))
    case .nacked: finish(id, .failure(.nacked))
    case .notSent(let why), .unknown(let why): finish(id, .failure(.timeout(why)))
    }
  }

  /// Gives a reply to who asked. False if nobody asks any more: it came too late.
  func reply(_ message: Message) -> Bool {
    guard let id = message.properties.correlationID, pending[id] != nil else { return false }
    finish(id, .success(message))
    return true
  }

  func failAll(_ error: AMQPError) {
    for id in pending.keys { finish(id, .failure(error)) }
  }
}

extension Connection {
  /// The pseudo-queue of RabbitMQ's direct reply-to.
  static let directReplyTo = "amq.rabbitmq.reply-to"

  /// Asks something of whoever consumes what is published, and waits for the reply (RabbitMQ's
  /// direct reply-to).
  ///
  /// The properties `reply-to` and `correlation-id` are set by this function, and the message is
  /// mandatory. The answerer publishes to the default exchange with the `reply-to` as routing key,
  /// and repeats the `correlation-id`; not as mandatory, since RabbitMQ 3.10 returns such an answer
  /// even when it delivers it.
  ///
  /// A `reply-to` that the message has is kept: then replies come there, and whoever consumes that
  /// queue gives them to ``take(reply:)``. For answerers that may not publish to the default
  /// exchange.
  ///
  /// Throws ``AMQPError/returned(code:text:)`` if nobody is there to ask, ``AMQPError/nacked`` if
  /// the broker refuses, ``AMQPError/timeout(_:)``, ``AMQPError/cancelled`` if the task is
  /// cancelled, or the error by which connection or channel was lost: then the reply is lost too,
  /// and whether the request was dealt with is unknown.
  public func request(
    _ publication: Publication, timeout: Duration
  ) async throws(AMQPError) -> Message {
    let end = ContinuousClock.now + timeout
    try await waitUntilReady(timeout: timeout)
    var publication = publication
    let isDirect = publication.message.properties.replyTo == nil
    // Others may know that queue, and an earlier connection may have asked through it.
    let id =
      isDirect
      ? String(nextNumber()) : Self.unguessable()
    if isDirect { publication.message.properties.replyTo = Self.directReplyTo }
    publication.message.properties.correlationID = id
    publication.mandatory = true
    publication = identified(publication)
    let frameMax = session?.limits.frameMax ?? Int(configuration.frameMax)
    let cost = try publication.checkedSize(frameMax: frameMax)
    let request = publication
    let result: Result<Message, AMQPError> = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        guard !Task.isCancelled else {
          continuation.resume(returning: .failure(.cancelled))
          return
        }
        // Lost since it was waited for.
        guard life.phase == .ready else {
          continuation.resume(returning: .failure(lastError ?? .socket("not connected")))
          return
        }
        let deadline = timers.schedule(after: end - .now) {
          self.requests.finish(id, .failure(.timeout("no reply within \(timeout)")))
        }
        requests.add(id, deadline: deadline) { continuation.resume(returning: $0) }
        let batch = PublishBatch([request], cost: cost, frameMax: frameMax) { [requests] verdicts in
          requests.settle(id, verdicts.first ?? .nacked)
        }
        requests.sent(id, batch)
        publisher.submit(batch, isRequest: true)
      }
    } onCancel: {
      perform { $0.requests.finish(id, .failure(.cancelled)) }
    }
    return try result.get()
  }

  /// Gives a reply to who asked, that came through a queue of one's own. False if nobody asks any
  /// more.
  @discardableResult
  public func take(reply message: Message) -> Bool { requests.reply(message) }

  private static func unguessable() -> String {
    var random = SystemRandomNumberGenerator()
    return String(random.next(), radix: 36) + "-" + String(random.next(), radix: 36)
  }
}
