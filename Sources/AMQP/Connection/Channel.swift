/// A channel of the connection that is up. Belongs to the connection's actor.
///
/// At most one call is under way on a channel, so an error of the broker's, which closes the
/// channel, always concerns that call; others wait behind it.
final class Channel {
  enum Role {
    /// Number 0: the connection itself.
    case connection
    /// Declarations and the like.
    case control
    case publishing(PublishLane)
    case consumer(ConsumerRecord)
  }

  static let connectionNumber: UInt16 = 0
  static let controlNumber: UInt16 = 1
  static let publishingNumber: UInt16 = 2
  static let requestingNumber: UInt16 = 3
  static let firstConsumerNumber: UInt16 = 4

  let number: UInt16
  let role: Role
  var assembler = ContentAssembler()
  /// Sent, and not yet answered.
  var current: Call?
  /// Not yet sent.
  var waiting = FIFO<Call>()
  /// It is being closed; nothing else is asked on it any more.
  var isClosing = false

  init(number: UInt16, role: Role) {
    self.number = number
    self.role = role
  }

  /// Whether a call could be sent now.
  var wantsToSend: Bool { current == nil && !waiting.isEmpty }

  /// The next call that somebody still waits for, which becomes the current one.
  func nextToSend() -> Call? {
    guard current == nil else { return nil }
    while let call = waiting.popFirst() {
      guard !call.isFinished else { continue }
      current = call
      return call
    }
    return nil
  }

  /// Answers the current call.
  func finishCurrent(_ result: Result<InboundMethod, AMQPError>) {
    let call = current
    current = nil
    call?.finish(result)
  }

  /// Whether the broker knows nothing of it yet.
  var isUnopened: Bool {
    if current == nil, case .channelOpen? = waiting.first?.method { true } else { false }
  }

  /// Nobody waits for its calls any more. The answer to the one that is under way is still to come, and nothing may be
  /// asked before.
  func abandonCalls(_ error: AMQPError) {
    current?.finish(.failure(error))
    for call in waiting.removeAll() { call.finish(.failure(error)) }
  }

  /// Fails all calls.
  func fail(_ error: AMQPError) {
    finishCurrent(.failure(error))
    for call in waiting.removeAll() { call.finish(.failure(error)) }
  }
}
