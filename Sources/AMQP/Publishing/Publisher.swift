import Logging

/// Part of a batch that is to be sent.
struct PublishSlice {
  let batch: PublishBatch
  var range: Range<Int>
}

/// A channel in confirm mode. Belongs to the connection's actor.
final class PublishChannel {
  let lane: PublishLane
  private let publisher: Publisher
  /// The session's; `nil` only while it is being opened.
  fileprivate(set) var channel: Channel?
  /// Whether the channel is open and in confirm mode.
  fileprivate(set) var isReady = false
  /// Sent, unconfirmed.
  fileprivate(set) var tracker = ConfirmTracker<PublishBatch>()

  fileprivate init(lane: PublishLane, publisher: Publisher) {
    self.lane = lane
    self.publisher = publisher
  }

  /// Whether replies to requests come on it.
  var takesReplies: Bool { lane.isForRequests }

  func answered(tag: UInt64, multiple: Bool, ack: Bool) throws(AMQPError) {
    try publisher.answered(self, tag: tag, multiple: multiple, ack: ack)
  }

  func returned(
    _ message: Message, exchange: String, routingKey: String, code: UInt16, text: String
  ) {
    publisher.returned(
      self, message, exchange: exchange, routingKey: routingKey, code: code, text: text)
  }

  /// The broker has cancelled the subscription to replies.
  func lostReplies() {
    publisher.abandon(self, .channelClosed(code: 0, text: "replies are not delivered any more"))
  }
}

/// What goes to one exchange: by a channel of its own, so that an exchange that does not exist fails
/// nothing but what was for it. Belongs to the connection's actor.
final class PublishLane {
  let exchange: String
  /// Whether it carries requests, whose replies come on the channel that asks.
  let isForRequests: Bool
  fileprivate var current: PublishChannel?
  /// Channels that have been replaced, and still wait for answers.
  fileprivate var draining: [PublishChannel] = []
  fileprivate var waiting = FIFO<PublishSlice>()
  /// What was refused, or certainly not taken, and goes before all else.
  fileprivate var again = FIFO<PublishSlice>()
  /// What was refused goes on a channel that is opened later.
  fileprivate var wantsFresh = false
  fileprivate var lastFresh: ContinuousClock.Instant?
  fileprivate var backoff: Backoff
  fileprivate var timer: Deadline?

  init(exchange: String, isForRequests: Bool = false, reconnect: ReconnectPolicy) {
    self.exchange = exchange
    self.isForRequests = isForRequests
    backoff = Backoff(reconnect)
  }

  fileprivate var hasWork: Bool { !waiting.isEmpty || !again.isEmpty }

  fileprivate var isIdle: Bool {
    !hasWork && draining.isEmpty && (current?.tracker.count ?? 0) == 0 && timer == nil
  }
}

/// Publishes over the session that is up: what waits, what is in flight, and what becomes of it.
/// Belongs to the connection's actor.
final class Publisher {
  /// How many exchanges have a channel at a time, if others do not need it.
  private static let maximumLanes = 32
  /// A body of this size goes only when nothing else of its channel is in flight: should the broker
  /// find it too large, it closes the channel, and what came before has its answer already.
  static let largeBody = 8 << 20
  /// How much of a batch is written at a time.
  private static let bytesAtOnce = 131_072
  /// How often a channel that refuses is replaced.
  private static let freshEvery = Duration.milliseconds(500)

  private let configuration: ConnectionConfiguration
  private let timers: Timers
  private let logger: Logger
  private var lanes: [PublishLane] = []
  private let requests: PublishLane
  private var session: Session?
  /// Whether the topology is declared: before, messages would find no queue.
  var isOpen = false
  /// Why nothing is published any more.
  private var end: String?
  private(set) var inFlight = 0
  /// Replies to requests are lost.
  var onRequestsLost: (AMQPError) -> Void = { _ in }

  init(_ configuration: ConnectionConfiguration, timers: Timers, logger: Logger) {
    self.configuration = configuration
    self.timers = timers
    self.logger = logger
    requests = PublishLane(
      exchange: "", isForRequests: true, reconnect: configuration.reconnect)
  }

  // MARK: Handing over

  /// Puts publications in line.
  func submit(_ batch: PublishBatch, isRequest: Bool = false) {
    guard end == nil else { return batch.finish(end ?? "") }
    guard !batch.isFinished else { return }
    for run in batch.runs {
      let lane = isRequest ? requests : lane(run.exchange)
      lane.waiting.append(PublishSlice(batch: batch, range: run.range))
    }
  }

  private func lane(_ exchange: String) -> PublishLane {
    if let lane = lanes.first(where: { $0.exchange == exchange }) { return lane }
    if lanes.count >= Self.maximumLanes, let idle = lanes.firstIndex(where: \.isIdle) {
      if let channel = lanes[idle].current?.channel { session?.close(channel) }
      lanes.remove(at: idle)
    }
    let lane = PublishLane(exchange: exchange, reconnect: configuration.reconnect)
    lanes.append(lane)
    return lane
  }

  // MARK: Sessions

  /// A new session is up.
  func attach(_ session: Session) { self.session = session }

  /// The session is lost: what was sent and is unconfirmed is unknown; what is unsent keeps waiting,
  /// but for requests.
  func detach(_ error: AMQPError) {
    session = nil
    isOpen = false
    // First, or they would only hear that nobody knows.
    onRequestsLost(error)
    for lane in lanes + [requests] {
      for publishing in lane.draining + (lane.current.map { [$0] } ?? []) {
        publishing.tracker.lost { batch, range in
          batch.settle(range, .unknown(error.description))
        }
      }
      reset(lane)
    }
    inFlight = 0
    fail(requests, error.description)
  }

  private func reset(_ lane: PublishLane) {
    lane.current = nil
    lane.draining = []
    lane.wantsFresh = false
    lane.timer?.cancel()
    lane.timer = nil
  }

  /// Nothing will ever be sent again.
  func close(_ why: String) {
    end = why
    for lane in lanes + [requests] { fail(lane, why) }
    lanes = []
  }

  private func fail(_ lane: PublishLane, _ why: String) {
    for slice in lane.again.removeAll() + lane.waiting.removeAll() { slice.batch.finish(why) }
  }

  // MARK: Sending

  /// Sends what may be sent, as much as the socket takes.
  func pump() throws(AMQPError) {
    guard isOpen, let session, session.blockedReason == nil else { return }
    var progress = true
    while progress {
      progress = false
      for lane in lanes where lane.hasWork {
        if try hasRoom(session), send(lane, session) { progress = true }
      }
      if requests.hasWork, try hasRoom(session), send(requests, session) { progress = true }
    }
    if lanes.count > 1, let first = lanes.first {
      // The next turn begins with another one.
      lanes.removeFirst()
      lanes.append(first)
    }
  }

  /// Without room, it is the socket that takes no more, and a poll will tell when it does.
  private func hasRoom(_ session: Session) throws(AMQPError) -> Bool {
    if !session.hasRoom { try session.flush() }
    return session.hasRoom
  }

  private func send(_ lane: PublishLane, _ session: Session) -> Bool {
    guard let publishing = lane.current else {
      open(lane, session)
      return false
    }
    guard publishing.isReady, let channel = publishing.channel else { return false }
    if !lane.wantsFresh, send(from: &lane.again, publishing, channel, session) { return true }
    return send(from: &lane.waiting, publishing, channel, session)
  }

  private func send(
    from line: inout FIFO<PublishSlice>, _ publishing: PublishChannel, _ channel: Channel,
    _ session: Session
  ) -> Bool {
    while var slice = line.first {
      let batch = slice.batch
      var begin = slice.range.lowerBound
      if batch.isFinished { begin = slice.range.upperBound }
      if batch.frameMax > session.limits.frameMax { batch.reframe(to: session.limits.frameMax) }
      while begin < slice.range.upperBound, !batch.isToBeSent(begin) { begin += 1 }
      guard begin < slice.range.upperBound else {
        _ = line.popFirst()
        continue
      }
      let window = configuration.maximumUnconfirmed - inFlight
      guard window > 0 else { return false }
      var end = begin + 1
      let start = batch.bytes(begin..<end).lowerBound
      while end < slice.range.upperBound, end - begin < window, batch.isToBeSent(end),
        batch.bytes(end..<(end + 1)).upperBound - start <= Self.bytesAtOnce
      { end += 1 }
      var range = begin..<end
      if let large = batch.firstLarge(range, atLeast: Self.largeBody) {
        if large > begin {
          range = begin..<large
        } else {
          guard publishing.tracker.count == 0 else { return false }
          range = begin..<(begin + 1)
        }
      }
      guard let store = batch.store else { return false }
      batch.address(range, to: channel.number)
      session.send(store, batch.bytes(range))
      batch.sent(range)
      publishing.tracker.sent(batch, range)
      inFlight += range.count
      slice.range = range.upperBound..<slice.range.upperBound
      if slice.range.isEmpty { _ = line.popFirst() } else { line.replaceFirst(slice) }
      return true
    }
    return false
  }

  // MARK: Channels

  private func open(_ lane: PublishLane, _ session: Session) {
    guard lane.current == nil, lane.timer == nil || lane.wantsFresh else { return }
    let publishing = PublishChannel(lane: lane, publisher: self)
    let channel: Channel
    do throws(AMQPError) {
      channel = try session.open(.publishing(publishing))
    } catch {
      let delay = lane.backoff.next()
      logger.warning(
        "No channel to publish on",
        metadata: [
          "exchange": "\(lane.exchange)", "error": "\(error)", "retry-in": "\(delay)",
        ])
      pause(lane, delay)
      return
    }
    publishing.channel = channel
    lane.current = publishing
    // If opening fails the session says that the channel is lost.
    session.ask(.confirmSelect, on: channel) { result in
      guard case .success = result else { return }
      if !lane.isForRequests {
        publishing.isReady = true
        lane.backoff.reset()
      }
    }
    guard lane.isForRequests else { return }
    // Replies come to the channel that asks, and to it alone (RabbitMQ, "Direct Reply-to").
    let replies = Subscription(queue: Connection.directReplyTo, prefetch: 0, noAck: true)
    session.ask(.consume(replies), on: channel) { result in
      guard case .success = result else { return }
      publishing.isReady = true
      lane.backoff.reset()
    }
  }

  private func pause(_ lane: PublishLane, _ delay: Duration) {
    lane.timer?.cancel()
    lane.timer = timers.schedule(after: delay) { [weak lane] in lane?.timer = nil }
  }

  /// What was refused is to go on a fresh channel: RabbitMQ 3.10 can go on refusing on one on which
  /// it has refused, after the queue takes messages again.
  private func refresh(_ lane: PublishLane) {
    guard lane.wantsFresh, lane.timer == nil, let session else { return }
    let now = ContinuousClock.now
    if let last = lane.lastFresh, now < last + Self.freshEvery {
      lane.timer = timers.schedule(after: last + Self.freshEvery - now) { [weak self, weak lane] in
        guard let self, let lane else { return }
        lane.timer = nil
        self.refresh(lane)
      }
      return
    }
    lane.lastFresh = now
    if let old = lane.current {
      lane.current = nil
      lane.draining.append(old)
      closeIfDrained(old)
    }
    open(lane, session)
    lane.wantsFresh = false
  }

  private func closeIfDrained(_ publishing: PublishChannel) {
    guard publishing.tracker.count == 0,
      let index = publishing.lane.draining.firstIndex(where: { $0 === publishing })
    else { return }
    publishing.lane.draining.remove(at: index)
    if let channel = publishing.channel { session?.close(channel) }
  }

  // MARK: Answers

  fileprivate func answered(
    _ publishing: PublishChannel, tag: UInt64, multiple: Bool, ack: Bool
  ) throws(AMQPError) {
    let lane = publishing.lane
    var answered = 0
    try publishing.tracker.answered(tag: tag, multiple: multiple) { batch, range in
      answered += range.count
      if ack { return batch.settle(range, .confirmed) }
      for index in range { refused(batch, index, lane) }
    }
    inFlight -= answered
    if lane.wantsFresh { refresh(lane) }
    closeIfDrained(publishing)
  }

  private func refused(_ batch: PublishBatch, _ index: Int, _ lane: PublishLane) {
    guard !batch.isFinished else { return }
    guard !lane.isForRequests, !batch.isRepeated(index), !batch.isReturned(index) else {
      return batch.settle(index..<(index + 1), .nacked)
    }
    batch.refused(index)
    lane.again.append(PublishSlice(batch: batch, range: index..<(index + 1)))
    lane.wantsFresh = true
  }

  fileprivate func returned(
    _ publishing: PublishChannel, _ message: Message, exchange: String, routingKey: String,
    code: UInt16, text: String
  ) {
    let returned = ReturnedMessage(message, exchange: exchange, routingKey: routingKey)
    guard let (batch, index) = publishing.tracker.find(returned) else {
      logger.warning(
        "A returned message matches none in flight",
        metadata: ["exchange": "\(exchange)", "routing-key": "\(routingKey)"])
      return
    }
    batch.returned(index, .returned(replyCode: code, text: text))
  }

  /// A channel is of no use any more, and is closed.
  fileprivate func abandon(_ publishing: PublishChannel, _ error: AMQPError) {
    lost(publishing, error)
    if let channel = publishing.channel { session?.close(channel) }
  }

  /// A channel is gone, and the connection is not.
  func lost(_ publishing: PublishChannel, _ error: AMQPError) {
    let lane = publishing.lane
    // The address for replies was the channel's: nobody can be answered any more.
    if lane.isForRequests { onRequestsLost(error) }
    if lane.current === publishing { lane.current = nil }
    lane.draining.removeAll { $0 === publishing }
    inFlight -= publishing.tracker.count
    // What lies behind a message that is too large was not taken, and is sent again; so it may not
    // be what is still being written.
    session?.detachOutput()
    var culprit: (batch: PublishBatch, index: Int)?
    if let size = error.refusedSize {
      culprit = publishing.tracker.first { batch, index in batch.parts(index)?.bodySize == size }
    }
    var isBehind = false
    publishing.tracker.lost { batch, range in
      guard !isBehind else { return again(batch, range, lane) }
      guard let culprit, culprit.batch === batch, range.contains(culprit.index) else {
        return batch.settle(range, .unknown(error.description))
      }
      isBehind = true
      batch.settle(range.lowerBound..<culprit.index, .unknown(error.description))
      batch.settle(culprit.index..<(culprit.index + 1), .notSent(error.description))
      again(batch, (culprit.index + 1)..<range.upperBound, lane)
    }
    if lane.isForRequests {
      fail(lane, error.description)
    } else if error.replyCode == ReplyCode.notFound || error.replyCode == ReplyCode.accessRefused {
      // The exchange is not there, or not ours to publish to: the rest would fare no better.
      let why = error.description
      for slice in lane.again.removeAll() + lane.waiting.removeAll() {
        slice.batch.settle(
          slice.range.lowerBound..<slice.range.upperBound, .notSent(why))
      }
    } else if case .timeout = error {
      pause(lane, lane.backoff.next())
    }
  }

  private func again(_ batch: PublishBatch, _ range: Range<Int>, _ lane: PublishLane) {
    guard !batch.isFinished, !range.isEmpty else { return }
    batch.notTaken(range)
    lane.again.append(PublishSlice(batch: batch, range: range))
  }
}

extension AMQPError {
  /// The size of the message by which the channel was closed, when it was too large: "message size
  /// 20000000 is larger than configured max size 16777216".
  fileprivate var refusedSize: UInt64? {
    guard case .channelClosed(ReplyCode.preconditionFailed, let text) = self,
      let start = text.ranges(of: "message size ").first?.upperBound
    else { return nil }
    return UInt64(text[start...].prefix { $0.isNumber })
  }
}
