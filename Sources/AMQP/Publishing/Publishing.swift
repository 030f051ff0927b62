import Synchronization

extension Connection {
  /// Publishes, and waits for the broker's verdict on each: one per publication, in order.
  ///
  /// They are encoded by the calling task, written in one go where they go to one exchange, and
  /// confirmed together; further calls do not wait for earlier ones. Publications to one exchange
  /// keep their order, unless the broker refuses one, which is then sent once more.
  ///
  /// While the connection is down, or blocked by the broker, they wait, and while more than
  /// ``ConnectionConfiguration/maximumPendingBytes`` wait, so does the caller. What has no verdict
  /// after `timeout` is ``PublishVerdict/notSent(_:)``, or ``PublishVerdict/unknown(_:)`` if it has
  /// been sent, and takes no memory any more. Cancelling the task does not cut it short: the outcome
  /// of a job that was cancelled must get through all the same. For what need not, there is
  /// ``publishUnlessCancelled(_:timeout:)``.
  public nonisolated func publish(
    _ publications: [Publication], timeout: Duration = .seconds(30)
  ) async -> [PublishVerdict] {
    await publish(publications, timeout, nil)
  }

  /// Publishes as ``publish(_:timeout:)-([Publication],_)`` does, but a task that is cancelled does
  /// not wait for a broker that is away, or has blocked publishing: what cannot be sent then is
  /// ``PublishVerdict/notSent(_:)`` at once, and what could be sent, and has not been within a
  /// second. What has been sent cannot be taken back: its verdict is waited for.
  public nonisolated func publishUnlessCancelled(
    _ publications: [Publication], timeout: Duration = .seconds(30)
  ) async -> [PublishVerdict] {
    let cancellation = PublishCancellation()
    return await withTaskCancellationHandler {
      await publish(publications, timeout, cancellation)
    } onCancel: {
      cancellation.cancel()
    }
  }

  private nonisolated func publish(
    _ publications: [Publication], _ timeout: Duration, _ cancellation: PublishCancellation?
  ) async -> [PublishVerdict] {
    guard !publications.isEmpty else { return [] }
    let publications = identified(publications)
    let end = ContinuousClock.now + timeout
    let frameMax = frameMax.load(ordering: .relaxed)
    let (cost, refused) = PublishBatch.measure(publications, frameMax: frameMax)
    if !room.take(cost), await !waitForRoom(cost, timeout, cancellation) {
      return lacking(publications.count, refused, timeout, cancellation)
    }
    return await withCheckedContinuation { continuation in
      let batch = start(publications, cost, frameMax, refused, timeout, end) {
        continuation.resume(returning: $0)
      }
      cancellation?.end { [self] in
        perform { $0.takeBack(batch) }
      }
    }
  }

  /// Publishes one message: see ``publish(_:timeout:)-([Publication],_)``.
  public nonisolated func publish(
    _ publication: Publication, timeout: Duration = .seconds(30)
  ) async -> PublishVerdict {
    await publish([publication], timeout: timeout).first ?? .notSent("")
  }

  /// Hands publications over without waiting for the broker's verdict, which can be asked for later:
  /// so that one task can keep many batches under way. Returns at once unless more than
  /// ``ConnectionConfiguration/maximumPendingBytes`` wait already, in which case it waits for room.
  /// In all else it is as ``publish(_:timeout:)-([Publication],_)``.
  public nonisolated func submit(
    _ publications: [Publication], timeout: Duration = .seconds(30)
  ) async -> SubmittedPublications {
    let submitted = SubmittedPublications()
    guard !publications.isEmpty else {
      submitted.promise.give([])
      return submitted
    }
    let publications = identified(publications)
    let end = ContinuousClock.now + timeout
    let frameMax = frameMax.load(ordering: .relaxed)
    let (cost, refused) = PublishBatch.measure(publications, frameMax: frameMax)
    if !room.take(cost), await !waitForRoom(cost, timeout) {
      submitted.promise.give(lacking(publications.count, refused, timeout))
      return submitted
    }
    start(publications, cost, frameMax, refused, timeout, end) { submitted.promise.give($0) }
    return submitted
  }

  private nonisolated func identified(_ publications: [Publication]) -> [Publication] {
    configuration.userID == nil ? publications : publications.map(identified)
  }

  /// The same, with the `user-id` of the configuration where it has none of its own.
  nonisolated func identified(_ publication: Publication) -> Publication {
    guard publication.message.properties.userID == nil else { return publication }
    var publication = publication
    publication.message.properties.userID = configuration.userID
    return publication
  }

  private nonisolated func waitForRoom(
    _ cost: Int, _ timeout: Duration, _ cancellation: PublishCancellation? = nil
  ) async -> Bool {
    await room.wait(cost) { giveUp in
      cancellation?.end(giveUp)
      perform { connection in
        _ = connection.timers.schedule(after: timeout) { giveUp() }
      }
    }
  }

  private nonisolated func lacking(
    _ count: Int, _ refused: [Int: AMQPError], _ timeout: Duration,
    _ cancellation: PublishCancellation? = nil
  ) -> [PublishVerdict] {
    (0..<count).map { index in
      if let error = refused[index] { return .notSent("\(error)") }
      if cancellation?.isCancelled == true { return .notSent(PublishCancellation.reason) }
      return .notSent(
        "timed out after \(timeout): \(room.limit) bytes of publications wait already "
          + "(maximumPendingBytes)")
    }
  }

  /// Encodes publications, and hands them to the connection's thread.
  @discardableResult
  private nonisolated func start(
    _ publications: [Publication], _ cost: Int, _ frameMax: Int, _ refused: [Int: AMQPError],
    _ timeout: Duration, _ end: ContinuousClock.Instant,
    completion: @escaping @Sendable ([PublishVerdict]) -> Void
  ) -> PublishBatch {
    let batch = PublishBatch(publications, cost: cost, frameMax: frameMax, refused: refused) {
      [room] verdicts in
      room.free(cost)
      completion(verdicts)
    }
    if !batch.isFinished { perform { $0.submit(batch, timeout, until: end) } }
    return batch
  }

  private func submit(
    _ batch: PublishBatch, _ timeout: Duration, until end: ContinuousClock.Instant
  ) {
    batch.observe { [unowned self] in count($0) }
    batch.deadline = timers.schedule(after: end - .now) { [weak batch] in
      batch?.finish(self.whyUnconfirmed(after: timeout))
    }
    publisher.submit(batch)
  }

  /// Whoever waits for a batch has been cancelled, maybe before the batch was handed over.
  private func takeBack(_ batch: PublishBatch) {
    guard life.phase == .ready, session?.blockedReason == nil else {
      return batch.takeBack(PublishCancellation.reason)
    }
    batch.patience = timers.schedule(after: .seconds(1)) { [weak batch] in
      batch?.takeBack(PublishCancellation.reason)
    }
  }

  private func count(_ verdicts: [PublishVerdict]) {
    for verdict in verdicts {
      switch verdict {
      case .confirmed: statisticsSoFar.confirmed += 1
      case .returned: statisticsSoFar.returned += 1
      case .nacked: statisticsSoFar.nacked += 1
      case .notSent: statisticsSoFar.notSent += 1
      case .unknown: statisticsSoFar.unknown += 1
      }
    }
  }

  func whyUnconfirmed(after timeout: Duration) -> String {
    let why =
      if let reason = session?.blockedReason {
        "the broker has blocked publishing: \(reason)"
      } else if life.phase == .ready {
        "no confirm"
      } else {
        lastError?.description ?? "not connected"
      }
    return "timed out after \(timeout): \(why)"
  }
}

/// Ends whatever step of publishing a task is at when the task is cancelled.
private final class PublishCancellation: Sendable {
  static let reason = "the task was cancelled before it was sent"

  private struct State {
    var isCancelled = false
    var end: (@Sendable () -> Void)?
  }

  private let state = Mutex(State())

  var isCancelled: Bool { state.withLock(\.isCancelled) }

  /// The next step begins, which `body` ends.
  func end(_ body: @escaping @Sendable () -> Void) {
    let isLate = state.withLock { state in
      state.end = body
      return state.isCancelled
    }
    if isLate { body() }
  }

  func cancel() {
    let end = state.withLock { state in
      state.isCancelled = true
      return state.end
    }
    end?()
  }
}

/// Publications that were handed over: their verdicts come later.
public struct SubmittedPublications: Sendable {
  let promise = VerdictPromise()

  /// The broker's verdict on each, in order, as soon as all have one; at the latest when the time
  /// that was given is up. May be asked for more than once.
  public var verdicts: [PublishVerdict] {
    get async { await promise.value }
  }
}

/// A message and where to publish it.
public struct Publication: Sendable, Hashable {
  /// The message.
  public var message: Message
  /// The exchange; empty is the default exchange, whose routing keys are queue names.
  public var exchange: String
  /// The routing key, at most 255 bytes.
  public var routingKey: String
  /// Whether a message that reaches no queue is returned
  /// (``PublishVerdict/returned(replyCode:text:)``) rather than dropped and confirmed.
  public var mandatory: Bool

  /// A publication of `message`.
  public init(_ message: Message, exchange: String, routingKey: String, mandatory: Bool = false) {
    self.message = message
    self.exchange = exchange
    self.routingKey = routingKey
    self.mandatory = mandatory
  }

  /// The most bytes that its frames take. Throws ``AMQPError/invalidArgument(_:)`` if AMQP cannot
  /// carry it on a connection with that `frameMax`; it must be refused before the first frame is
  /// sent, since a message cannot be taken back half-way.
  func checkedSize(frameMax: Int) throws(AMQPError) -> Int {
    try ShortString.check(exchange, "the exchange's name")
    try ShortString.check(routingKey, "the routing key")
    let properties = try message.properties.checkedSize()
    // Frame header and end 8, class, weight and body size 12.
    guard properties + 20 <= frameMax else {
      throw .invalidArgument(
        "properties and headers take \(properties + 20) bytes, the connection allows \(frameMax) "
          + "(frame_max)")
    }
    return FrameEncoder.size(self, properties: properties, frameMax: frameMax)
  }
}

/// What became of a published message: exactly one of five.
public enum PublishVerdict: Sendable, Hashable {
  /// The broker has taken responsibility for it (or, if not mandatory and unroutable, dropped it as
  /// told).
  case confirmed
  /// Mandatory, and no queue took it: the broker's code (312 NO_ROUTE) and text.
  case returned(replyCode: UInt16, text: String)
  /// The broker refused it, such as for a full queue with `x-overflow: reject-publish`, and refused
  /// it again on a fresh channel (a channel can go on refusing after the queue takes messages again).
  case nacked
  /// The broker does not have it, so publishing it again cannot make two of it: it never left this
  /// process, or closed its channel because it was too large. The text says why.
  case notSent(String)
  /// Nobody knows: it was sent, and the connection or channel was lost before the answer, or the
  /// time was up. The text says why.
  case unknown(String)
}
