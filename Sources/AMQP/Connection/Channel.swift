/// The life of a channel, as a value without I/O.
///
/// At most one call is under way on a channel, so an error of the broker's, which closes the
/// channel, always concerns that call; others wait behind it.
struct ChannelLife<Call> {
  enum Phase: Equatable {
    /// Calls are made, one after the other.
    case open
    /// channel.close is under way; what comes meanwhile means nothing.
    case closing
    case closed
  }

  private(set) var phase = Phase.open
  /// Sent, and not yet answered.
  private(set) var current: Call?
  /// Not yet sent.
  private var waiting = FIFO<Call>()

  /// A call is to be made: returns it if it can be sent now.
  mutating func ask(_ call: Call) -> Call? {
    guard phase == .open else { return nil }
    guard current == nil else {
      waiting.append(call)
      return nil
    }
    current = call
    return call
  }

  /// The broker has answered: which call, and which is to be sent next. `skip` says of a call that
  /// nobody waits for it any more.
  mutating func answered(skip: (Call) -> Bool) -> (finished: Call, next: Call?)? {
    guard let finished = current else { return nil }
    current = nil
    while let next = waiting.popFirst() {
      guard !skip(next) else { continue }
      current = next
      break
    }
    return (finished, current)
  }

  /// This side closes it: returns the calls that get no answer, the current one first; `nil` if it
  /// is closing or closed already.
  mutating func close() -> [Call]? {
    guard phase == .open else { return nil }
    phase = .closing
    return abandoned()
  }

  /// It is gone: the broker closed it, or has agreed to close it, or the connection is lost.
  mutating func closed() -> [Call] {
    phase = .closed
    return abandoned()
  }

  private mutating func abandoned() -> [Call] {
    let all = (current.map { [$0] } ?? []) + waiting.removeAll()
    current = nil
    return all
  }
}

/// What the broker answers to a call.
enum Reply {
  case method(InboundMethod)
  case message(Content)
}

/// A method that the broker answers, from asking to answer. Belongs to the connection's actor.
final class Call {
  typealias Outcome = Result<Reply, AMQPError>

  let method: OutboundMethod
  var deadline: Deadline?
  private var completion: ((Outcome) -> Void)?

  init(_ method: OutboundMethod, completion: @escaping (Outcome) -> Void) {
    self.method = method
    self.completion = completion
  }

  /// Whether nobody waits for the answer any more.
  var isFinished: Bool { completion == nil }

  /// Gives the answer to whoever waits; only the first one counts.
  func finish(_ outcome: Outcome) {
    deadline?.cancel()
    deadline = nil
    guard let completion else { return }
    self.completion = nil
    completion(outcome)
  }
}

/// A channel of the session that is up. Belongs to the connection's actor.
final class Channel {
  enum Role {
    /// Number 0: the connection itself.
    case connection
    /// Declarations and the like.
    case control
    case publishing(PublishChannel)
    case consumer(ConsumerRecord)
    /// basic.get with acknowledgement.
    case getting(SettlementLedgerBox)
  }

  let number: UInt16
  let role: Role
  var life = ChannelLife<Call>()
  var assembler = ContentAssembler()
  /// Called once when it is closed, for whatever reason.
  var onClosed: (() -> Void)?

  init(number: UInt16, role: Role) {
    self.number = number
    self.role = role
  }
}

/// The unsettled messages that were got one by one. Belongs to the connection's actor.
final class SettlementLedgerBox {
  let generation: UInt64
  var ledger = SettlementLedger()

  init(generation: UInt64) { self.generation = generation }
}
