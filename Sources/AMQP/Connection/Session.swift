import Logging

/// One connection to the broker that is up, from the log-in to its loss: the socket, the frames, and
/// its channels. Belongs to the connection's actor.
final class Session {
  /// How many bytes are taken in before others have their turn.
  private static let bytesPerTurn = 1 << 20
  /// Publications are not written ahead of the socket by more than this.
  static let writeAhead = 262_144

  let number: UInt64
  let broker: BrokerInfo
  let limits: ConnectionLimits
  let configuration: ConnectionConfiguration
  private let timers: Timers
  private let logger: Logger

  private var transport: Transport
  private var reader: FrameReader
  private var outbox = Outbox()
  private var decoder = MethodDecoder()
  private var liveness: Liveness
  private var channels: [Channel?]
  /// The consumers to which something has come in this turn.
  private var touched: [ConsumerRecord] = []
  /// The consumers that have settled something.
  private var settling: [ConsumerRecord] = []
  private var getting: [Channel] = []
  private var gathering = Gathering()
  /// Frames may be waiting that no poll will report.
  private(set) var hasUnreadInput = true
  /// Whether too much has gathered that nobody has taken: the socket is not read.
  var isPaused = false {
    didSet { liveness.received(.now) }
  }
  /// Why the broker takes no publications, if it does not.
  private(set) var blockedReason: String?
  /// The calls of all channels end with this once the session is lost.
  private(set) var loss: AMQPError?

  /// What the owner of the session must know.
  var onEvent: (Event) -> Void = { _ in }

  enum Event {
    case blocked(String)
    case unblocked
    /// A channel is gone that neither side's user has closed.
    case lost(Channel, AMQPError)
    /// The broker has ended a subscription.
    case cancelled(ConsumerRecord)
    /// A reply to a request.
    case reply(Message)
  }

  init(
    number: UInt64, transport: consuming Transport, reader: consuming FrameReader,
    broker: BrokerInfo, limits: ConnectionLimits, configuration: ConnectionConfiguration,
    timers: Timers, logger: Logger
  ) {
    self.number = number
    self.broker = broker
    self.limits = limits
    self.configuration = configuration
    self.timers = timers
    self.logger = logger
    liveness = Liveness(seconds: limits.heartbeat, now: .now)
    channels = Array(repeating: nil, count: 16)
    self.transport = transport
    reader.frameMax = limits.frameMax
    self.reader = reader
    channels[0] = Channel(number: 0, role: .connection)
  }

  /// To poll.
  var descriptor: Int32 { transport.descriptor }
  var wantsInput: Bool { !isPaused }
  var wantsOutput: Bool { outbox.isStalled || transport.readNeedsOutput }
  /// When to look after the heartbeats at the latest.
  var nextCheck: ContinuousClock.Instant? { liveness.next }
  /// Whether publications can be written without running ahead of the socket.
  var hasRoom: Bool { !outbox.isStalled && outbox.count < Self.writeAhead }

  // MARK: A turn

  /// Until when the socket is not read, so that more can be taken at once.
  var gathersUntil: ContinuousClock.Instant? { gathering.end }

  /// Takes in what the socket has, if a poll has said that there is something, or was not asked for
  /// long enough.
  func takeInput(_ readiness: Readiness, _ now: ContinuousClock.Instant) throws(AMQPError) {
    if readiness.writable { outbox.unstall() }
    let hasGathered = gathering.isOver(now)
    guard gathering.end == nil || readiness.failed else { return }
    let mayRead =
      readiness.readable || hasUnreadInput || hasGathered
      || (readiness.writable && transport.readNeedsOutput)
    // A peer that is gone must be noticed also when nothing is read for now.
    guard mayRead, !isPaused || readiness.failed else { return }
    try receive(now)
  }

  private func receive(_ now: ContinuousClock.Instant) throws(AMQPError) {
    hasUnreadInput = false
    defer { handOn() }
    var budget = Self.bytesPerTurn
    // What came behind the log-in is in the reader already.
    var deliveries = try takeFrames()
    while budget > 0 {
      let room = reader.room()
      guard let count = try transport.receive(into: room) else { break }
      budget -= count
      reader.filled(count)
      deliveries += try takeFrames()
      if isPaused { break }
      if count < room.count, !transport.hasDecrypted {
        // TLS gives one record at a time; there may be more.
        if configuration.tls == nil { break }
      }
    }
    let bytes = Self.bytesPerTurn - budget
    if bytes > 0 { liveness.received(now) }
    hasUnreadInput = budget <= 0 || (isPaused && transport.hasDecrypted)
    if touched.allSatisfy(\.hasCredit) { gathering.received(deliveries, bytes: bytes, at: now) }
  }

  /// Takes in all whole frames; how many deliveries came in them.
  private func takeFrames() throws(AMQPError) -> Int {
    var deliveries = 0
    while true {
      // Most frames are deliveries, one behind the other, and need no more than this.
      if let number = reader.channelOfDelivery, let record = idleConsumer(on: number) {
        let isFirst = !record.hasGathered
        let count = try record.take(from: &reader, &decoder, channel: number)
        if isFirst, count > 0 { touched.append(record) }
        deliveries += count
        if count > 0 { continue }
      }
      guard let frame = try reader.next() else { return deliveries }
      try handle(frame)
    }
  }

  /// The consumer of a channel on which no message has begun.
  private func idleConsumer(on number: UInt16) -> ConsumerRecord? {
    guard Int(number) < channels.count, let channel = channels[Int(number)],
      case .consumer(let record) = channel.role, channel.life.phase == .open,
      channel.assembler.isIdle, record.channel === channel
    else { return nil }
    return record
  }

  private func handOn() {
    guard !touched.isEmpty else { return }
    for record in touched { record.handOn() }
    touched.removeAll(keepingCapacity: true)
  }

  /// Looks after the heartbeats.
  func checkHeartbeats(_ now: ContinuousClock.Instant) throws(AMQPError) {
    guard let next = liveness.next, now >= next else { return }
    if isPaused { liveness.received(now) }
    var verdict = liveness.check(now, hasOutput: outbox.count > 0)
    if case .dead = verdict {
      // This process may have been stopped for a while: what came meanwhile is not read yet.
      try receive(now)
      verdict = liveness.check(now, hasOutput: outbox.count > 0)
    }
    switch verdict {
    case .fine: break
    case .sendHeartbeat: try send(.heartbeat, on: 0)
    case .dead(let silence): throw .socket("no heartbeat from the broker for \(silence)")
    }
  }

  /// Writes what waits, as far as the socket takes it.
  func flush() throws(AMQPError) {
    try sendSettlements()
    guard outbox.count > 0, !outbox.isStalled else { return }
    let before = outbox.written
    try outbox.flush(to: &transport)
    if outbox.written > before { liveness.sent(.now) }
  }

  // MARK: What comes in

  private func handle(_ frame: Frame) throws(AMQPError) {
    let number = Int(frame.channel)
    if case .heartbeat = frame.kind { return }
    guard number < channels.count, let channel = channels[number] else {
      throw .protocolViolation("a frame on channel \(frame.channel), which is not open")
    }
    switch frame.kind {
    case .method:
      try handle(decoder.decode(frame.payload), on: channel)
    case .header:
      // Class, weight, body size, properties.
      guard frame.payload.count >= 14 else {
        throw .protocolViolation("a content header that is cut short")
      }
      let size = UInt64(bigEndian: frame.payload.loadUnaligned(fromByteOffset: 4, as: UInt64.self))
      let properties = decoder.properties(
        UnsafeRawBufferPointer(rebasing: frame.payload[12...]))
      if let content = try channel.assembler.header(size: size, properties: properties) {
        try handle(content, on: channel)
      }
    case .body:
      if let content = try channel.assembler.body(frame.payload) {
        try handle(content, on: channel)
      }
    case .heartbeat: break
    }
  }

  private func handle(_ method: InboundMethod, on channel: Channel) throws(AMQPError) {
    switch method {
    case .content(let subject):
      try channel.assembler.begin(subject)
    case .confirm(let tag, let multiple, let ack):
      guard case .publishing(let publishing) = channel.role else {
        throw .protocolViolation("a confirm on channel \(channel.number), which does not publish")
      }
      // What was sent on a channel that this side closes has its verdict already.
      guard channel.life.phase == .open else { return }
      try publishing.answered(tag: tag, multiple: multiple, ack: ack)
    case .connectionClose(let code, let text):
      try send(.connectionCloseOk, on: 0)
      try? outbox.flush(to: &transport)
      throw .connectionClosed(code: code, text: text)
    case .blocked(let reason):
      blockedReason = reason
      onEvent(.blocked(reason))
    case .unblocked:
      blockedReason = nil
      onEvent(.unblocked)
    case .channelClose(let code, let text):
      try send(.channelCloseOk, on: channel.number)
      // If this client has just done the same, the answer to that is still to come.
      guard channel.life.phase == .open else { return }
      lose(channel, .channelClosed(code: code, text: text))
    case .channelCloseOk:
      guard channel.life.phase == .closing else {
        throw .protocolViolation("an answer on channel \(channel.number) to nothing")
      }
      forget(channel)
    case .flow(let active):
      try send(.flowOk(active: active), on: channel.number)
    case .cancelled:
      guard channel.life.phase == .open else { return }
      switch channel.role {
      case .consumer(let record): onEvent(.cancelled(record))
      case .publishing(let publishing): publishing.lostReplies()
      default: throw .protocolViolation("basic.cancel on a channel without a consumer")
      }
    case .unexpected(let id):
      throw .protocolViolation("method \(id >> 16).\(id & 0xFFFF), which no broker sends")
    case .start, .secure, .tune, .connectionOpenOk:
      throw .protocolViolation("\(method) after the log-in")
    case .connectionCloseOk, .channelOpenOk, .declared, .removed, .consumeOk, .secretUpdated,
      .gotNothing, .done:
      try answered(.method(method), on: channel)
    }
  }

  private func answered(_ reply: Reply, on channel: Channel) throws(AMQPError) {
    // What was asked before this side closed the channel is answered to nobody.
    guard channel.life.phase == .open else { return }
    guard let (finished, next) = channel.life.answered(skip: { $0.isFinished }) else {
      throw .protocolViolation("an answer on channel \(channel.number) to nothing")
    }
    if let next { try send(next.method, on: channel.number) }
    finished.finish(.success(reply))
  }

  private func handle(_ content: Content, on channel: Channel) throws(AMQPError) {
    // A channel that is being closed still brings what was under way; it goes back to the queue.
    guard channel.life.phase == .open else { return }
    switch (content.subject, channel.role) {
    case (.delivery(let tag, let redelivered, let exchange, let key), .consumer(let record)):
      guard record.channel === channel else { return }
      if !record.hasGathered { touched.append(record) }
      try record.deliver(
        content.message, tag: tag, redelivered: redelivered, exchange: exchange, routingKey: key)
    case (.delivery, .publishing(let publishing)) where publishing.takesReplies:
      onEvent(.reply(content.message))
    case (.returned(let code, let text, let exchange, let key), .publishing(let publishing)):
      publishing.returned(
        content.message, exchange: exchange, routingKey: key, code: code, text: text)
    case (.got(let tag, _, _, _, _), .getting(let box)):
      guard box.ledger.delivered(tag) else {
        throw .protocolViolation("delivery \(tag) out of order")
      }
      try answered(.message(content), on: channel)
    case (.got, .control):
      try answered(.message(content), on: channel)
    default:
      throw .protocolViolation("a message on channel \(channel.number), where none belongs")
    }
  }

  // MARK: What goes out

  func send(_ method: OutboundMethod, on channel: UInt16) throws(AMQPError) {
    try outbox.append(method, channel: channel, frameMax: limits.frameMax)
  }

  /// Sends whole frames of publications.
  func send(_ store: ByteStore, _ range: Range<Int>) { outbox.append(store, range) }

  /// What is being sent from where it lies is copied, so that it may be changed.
  func detachOutput() { outbox.detach() }

  /// Notes that a consumer has settled something, to be told before the next write.
  func noteSettlement(of record: ConsumerRecord) {
    guard !record.isInLineToSettle else { return }
    record.isInLineToSettle = true
    settling.append(record)
  }

  func noteSettlement(on channel: Channel) { getting.append(channel) }

  private func sendSettlements() throws(AMQPError) {
    for record in settling {
      record.isInLineToSettle = false
      try sendSettlements(of: record)
    }
    settling.removeAll(keepingCapacity: true)
    for channel in getting {
      guard case .getting(let box) = channel.role, channel.life.phase == .open else { continue }
      for settlement in box.ledger.flush() { try send(.settle(settlement), on: channel.number) }
    }
    getting.removeAll(keepingCapacity: true)
  }

  /// Tells the broker what has been settled.
  func sendSettlements(of record: ConsumerRecord) throws(AMQPError) {
    guard let channel = record.channel, channel.life.phase == .open else { return }
    for settlement in record.ledger.flush() { try send(.settle(settlement), on: channel.number) }
    record.settled()
  }

  // MARK: Channels and calls

  /// Opens a channel: what is asked on it waits in line. Throws if the broker allows no more.
  func open(_ role: Channel.Role) throws(AMQPError) -> Channel {
    guard loss == nil else { throw loss ?? .socket("not connected") }
    var number = 1
    while number < channels.count, channels[number] != nil { number += 1 }
    guard number <= Int(limits.channelMax) else {
      throw .invalidArgument(
        "all \(limits.channelMax) channels that the broker allows on a connection are in use "
          + "(channel_max)")
    }
    if number == channels.count {
      channels += Array(repeating: nil, count: min(channels.count, 65_536 - channels.count))
    }
    let channel = Channel(number: UInt16(number), role: role)
    channels[number] = channel
    // If it fails, so does what is asked on the channel.
    ask(.channelOpen, on: channel) { _ in }
    return channel
  }

  /// Asks something; `completion` gets the answer, or why there is none.
  ///
  /// No answer in time means that the channel is stuck: it is closed, and its user told.
  func ask(
    _ method: OutboundMethod, on channel: Channel, timeout: Duration? = nil,
    completion: @escaping (Call.Outcome) -> Void
  ) {
    let timeout = timeout ?? configuration.rpcTimeout
    let call = Call(method, completion: completion)
    guard loss == nil, channel.life.phase == .open else {
      call.finish(.failure(loss ?? .closed("the channel is closed")))
      return
    }
    call.deadline = timers.schedule(after: timeout) { [weak self, weak call, weak channel] in
      guard let self, let call, let channel, !call.isFinished else { return }
      let error = AMQPError.timeout("\(method.subject): no answer within \(timeout)")
      let isUnderWay = channel.life.current === call
      call.finish(.failure(error))
      if isUnderWay, channel.number != 0 { self.stuck(channel, error) }
    }
    do throws(AMQPError) {
      // What has been settled before is told before.
      try sendSettlements()
    } catch {
      return call.finish(.failure(error))
    }
    guard let call = channel.life.ask(call) else { return }
    do throws(AMQPError) {
      try send(call.method, on: channel.number)
    } catch {
      // It cannot be encoded, so the broker knows nothing of it.
      if let (_, next) = channel.life.answered(skip: { $0.isFinished }), let next {
        try? send(next.method, on: channel.number)
      }
      call.finish(.failure(error))
    }
  }

  /// How many channels there are, those that are being closed included, and the connection's own not.
  var channelCount: Int { channels.dropFirst().count { $0 != nil } }

  /// The connection's own channel, number 0.
  var connectionChannel: Channel? { channels[0] }

  private func stuck(_ channel: Channel, _ error: AMQPError) {
    logger.warning(
      "Channel closed, since it does not answer",
      metadata: ["channel": "\(channel.number)", "error": "\(error)"])
    let calls = close(channel, error)
    onEvent(.lost(channel, error))
    move(calls, from: channel, error)
  }

  /// The broker has closed a channel.
  private func lose(_ channel: Channel, _ error: AMQPError) {
    logger.warning(
      "Channel closed by the broker",
      metadata: ["channel": "\(channel.number)", "error": "\(error)"])
    // Only the call that was under way is to blame.
    let current = channel.life.current
    let calls = channel.life.closed()
    channels[Int(channel.number)] = nil
    channel.finishClosing()
    onEvent(.lost(channel, error))
    current?.finish(.failure(error))
    move(calls, from: channel, error)
  }

  /// What waited behind a call by which its channel was lost is asked on the channel that has
  /// replaced it.
  private func move(_ calls: [Call], from channel: Channel, _ error: AMQPError) {
    for call in calls where !call.isFinished {
      guard let next = replacement?(channel), next !== channel else {
        call.finish(.failure(error))
        continue
      }
      if let first = next.life.ask(call) { try? send(first.method, on: next.number) }
    }
  }

  /// Which channel has replaced one that was lost.
  var replacement: ((Channel) -> Channel?)?

  /// Closes a channel, without waiting for it. Its number is free once the broker has agreed.
  /// `completion` is called then, or when it does not agree in time.
  func close(_ channel: Channel, completion: @escaping () -> Void = {}) {
    for call in close(channel, .closed("the channel is being closed"), completion) {
      call.finish(.failure(.closed("the channel is being closed")))
    }
  }

  private func close(
    _ channel: Channel, _ error: AMQPError, _ completion: @escaping () -> Void = {}
  ) -> [Call] {
    guard loss == nil, let calls = channel.life.close() else {
      completion()
      return []
    }
    do throws(AMQPError) {
      try send(.channelClose, on: channel.number)
    } catch {
      logger.error("A channel cannot be closed", metadata: ["error": "\(error)"])
    }
    // The broker has to agree however long it takes; only `completion` does not wait so long.
    let deadline = timers.schedule(after: configuration.rpcTimeout) { [weak channel] in
      channel?.finishClosing()
    }
    channel.onClosed = {
      deadline.cancel()
      completion()
    }
    return calls
  }

  private func forget(_ channel: Channel) {
    _ = channel.life.closed()
    channels[Int(channel.number)] = nil
    channel.finishClosing()
  }

  /// The session is over: everything that waits on one of its channels is told.
  func end(_ error: AMQPError) {
    guard loss == nil else { return }
    loss = error
    handOn()
    let lost = channels.compactMap(\.self)
    channels = []
    for channel in lost {
      let calls = channel.life.closed()
      channel.finishClosing()
      for call in calls { call.finish(.failure(error)) }
    }
    onEvent = { _ in }
    replacement = nil
    settling = []
    getting = []
  }
}

extension Channel {
  /// Tells, once, whoever waits for the channel to be closed.
  fileprivate func finishClosing() {
    let onClosed = onClosed
    self.onClosed = nil
    onClosed?()
  }
}
