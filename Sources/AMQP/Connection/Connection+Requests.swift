import Logging

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
  /// Throws ``AMQPError/returned(code:text:)`` if nobody is there to ask, ``AMQPError/nacked`` if
  /// the broker refuses, ``AMQPError/timeout(_:)``, ``AMQPError/cancelled`` if the task is
  /// cancelled, or the error by which connection or channel was lost: then the reply is lost too,
  /// and whether the request was dealt with is unknown.
  public func request(
    _ publication: Publication, timeout: Duration
  ) async throws(AMQPError) -> Message {
    let end = ContinuousClock.now + timeout
    try await waitUntilReady(timeout: timeout)
    let id = String(nextNumber())
    var publication = publication
    publication.message.properties.replyTo = Self.directReplyTo
    publication.message.properties.correlationID = id
    publication.mandatory = true
    try publication.check(frameMax: socket?.frameMax ?? Int(configuration.frameMax))
    let request = publication
    let result: Result<Message, AMQPError> = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        guard !Task.isCancelled else {
          continuation.resume(returning: .failure(.cancelled))
          return
        }
        // Lost since it was waited for.
        guard case .ready = phase else {
          continuation.resume(returning: .failure(lastError ?? .socket("not connected")))
          return
        }
        requests[id] = PendingRequest(
          deadline: schedule(after: end - .now) {
            self.finish(request: id, .failure(.timeout("no reply within \(timeout)")))
          },
          resume: { continuation.resume(returning: $0) })
        if channels[requesting.channel] == nil { open(lane: requesting) }
        let batch = enqueue([request], on: requesting, timeout: end - .now) { verdicts in
          self.settle(request: id, verdicts.first ?? .nacked)
        }
        requests[id]?.publication = batch
      }
    } onCancel: {
      perform { $0.finish(request: id, .failure(.cancelled)) }
    }
    return try result.get()
  }

  /// What became of the request itself. A confirmed one goes on waiting for the reply.
  private func settle(request id: String, _ verdict: PublishVerdict) {
    switch verdict {
    case .confirmed: break
    case .returned(let code, let text):
      finish(request: id, .failure(.returned(code: code, text: text)))
    case .nacked: finish(request: id, .failure(.nacked))
    case .notSent(let why), .unknown(let why): finish(request: id, .failure(.timeout(why)))
    }
  }

  private func finish(request id: String, _ result: Result<Message, AMQPError>) {
    guard let request = requests.removeValue(forKey: id) else { return }
    request.deadline?.cancel()
    request.publication?.finish("nobody waits for the reply")
    request.resume(result)
  }

  /// Gives a reply to who asked. Nobody asks any more if it came too late.
  func reply(_ message: Message) {
    guard let id = message.properties.correlationID, requests[id] != nil else {
      logger.debug("Dropped a late reply")
      return
    }
    finish(request: id, .success(message))
  }

  func failRequests(_ error: AMQPError) {
    for id in requests.keys { finish(request: id, .failure(error)) }
  }
}
