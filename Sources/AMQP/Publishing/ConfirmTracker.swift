/// Matches the broker's answers to the publications of one confirm channel.
///
/// The broker numbers publications 1, 2, 3 … as they come, and acknowledges each or, with
/// `multiple`, all up to a number. What is kept is a token for each run of publications, not for each
/// of them.
struct ConfirmTracker<Token> {
  private struct Run {
    var token: Token
    /// The index of its first publication, in whatever the token stands for.
    var index: Int
    /// The number of its first publication.
    var first: UInt64
    var count: Int
  }

  private var runs: [Run] = []
  /// How many leading elements of `runs` are answered and not yet removed.
  private var head = 0
  /// The first number without an answer.
  private var front: UInt64 = 1
  /// The number of the next publication.
  private var next: UInt64 = 1
  /// The numbers behind `front` that have been answered.
  private var early: Set<UInt64> = []

  /// How many publications await their answer.
  var count: Int { Int(next - front) - early.count }

  /// Notes publications that are about to be sent: those from `range` of what `token` stands for.
  mutating func sent(_ token: Token, _ range: Range<Int>) {
    runs.append(Run(token: token, index: range.lowerBound, first: next, count: range.count))
    next += UInt64(range.count)
  }

  /// Takes an acknowledgement or refusal, and hands the publications that it answers to `body`, in
  /// order.
  ///
  /// Throws ``AMQPError/protocolViolation(_:)`` for a number that was never sent. One that has been
  /// answered already is ignored.
  mutating func answered(
    tag: UInt64, multiple: Bool, _ body: (Token, Range<Int>) -> Void
  ) throws(AMQPError) {
    // Number 0 with `multiple` means all (specification, basic.ack, delivery-tag).
    let last = tag == 0 && multiple ? next - 1 : tag
    guard last < next else {
      throw .protocolViolation("a confirm of publication \(tag), which was never sent")
    }
    guard last >= front else { return }
    if multiple {
      unanswered(from: front, to: last, body)
      front = last + 1
      if !early.isEmpty { early = early.filter { $0 >= front } }
    } else if last == front {
      unanswered(from: last, to: last, body)
      front += 1
    } else {
      guard early.insert(last).inserted else { return }
      if let run = run(of: last) { body(run.token, place(of: last, in: run)) }
      return
    }
    while !early.isEmpty, early.remove(front) != nil { front += 1 }
    compact()
  }

  /// Hands each run of publications without an answer to `body`, in order, and begins anew with
  /// number 1: the channel is gone.
  mutating func lost(_ body: (Token, Range<Int>) -> Void) {
    if next > front { unanswered(from: front, to: next - 1, body) }
    self = ConfirmTracker()
  }

  /// The first publication without an answer that `matches`.
  func first(where matches: (Token, Int) -> Bool) -> (Token, Int)? {
    for run in runs[head...] {
      for offset in 0..<run.count {
        let number = run.first + UInt64(offset)
        guard number >= front, !early.contains(number) else { continue }
        if matches(run.token, run.index + offset) { return (run.token, run.index + offset) }
      }
    }
    return nil
  }

  private func unanswered(
    from begin: UInt64, to last: UInt64, _ body: (Token, Range<Int>) -> Void
  ) {
    for run in runs[head...] {
      guard run.first <= last else { return }
      let from = max(begin, run.first)
      let to = min(last, run.first + UInt64(run.count) - 1)
      guard from <= to else { continue }
      guard !early.isEmpty else {
        let start = run.index + Int(from - run.first)
        body(run.token, start..<(start + Int(to - from) + 1))
        continue
      }
      for number in from...to where !early.contains(number) {
        body(run.token, place(of: number, in: run))
      }
    }
  }

  private func place(of number: UInt64, in run: Run) -> Range<Int> {
    let index = run.index + Int(number - run.first)
    return index..<(index + 1)
  }

  private func run(of number: UInt64) -> Run? {
    var (low, high) = (head, runs.count)
    while low < high {
      let middle = (low + high) / 2
      if runs[middle].first + UInt64(runs[middle].count) <= number {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low < runs.count ? runs[low] : nil
  }

  /// Drops the answered beginning; moves the rest only when at least half is dropped, so each costs
  /// constant time.
  private mutating func compact() {
    while head < runs.count, runs[head].first + UInt64(runs[head].count) <= front { head += 1 }
    if head == runs.count {
      runs.removeAll(keepingCapacity: true)
      head = 0
    } else if head > 64, head * 2 >= runs.count {
      runs.removeSubrange(..<head)
      head = 0
    }
  }
}

/// A publication that came back, to be found among those in flight.
///
/// A return bears no number; it comes before the acknowledgement of its message and repeats that
/// message, so it is matched by content. Two in-flight messages that are equal in everything cannot
/// be told apart by the caller either: which of them gets the verdict makes no difference.
struct ReturnedMessage {
  let message: Message
  let exchange: String
  let routingKey: String
  /// Compared with what is left of publications that nobody waits for.
  private let digest: PublicationDigest

  init(_ message: Message, exchange: String, routingKey: String) {
    self.message = message
    self.exchange = exchange
    self.routingKey = routingKey
    digest = message.body.withUnsafeBytes { body in
      PublicationDigest(
        exchange: Array(exchange.utf8), routingKey: Array(routingKey.utf8), body: [body],
        properties: message.properties)
    }
  }

  /// How like a publication must be to be taken for this one.
  enum Likeness {
    case whole
    /// The broker may have changed headers (it removes BCC).
    case allButProperties
    case target
  }

  func isLike(_ parts: PublishBatch.Parts, _ likeness: Likeness) -> Bool {
    guard parts.isMandatory, parts.routingKey.elementsEqual(routingKey.utf8),
      parts.exchange.elementsEqual(exchange.utf8)
    else { return false }
    switch likeness {
    case .target: return true
    case .allButProperties: return hasBody(of: parts)
    case .whole:
      return hasBody(of: parts)
        && MessageProperties(received: parts.properties) == message.properties
    }
  }

  func isLike(_ other: PublicationDigest, _ likeness: Likeness) -> Bool {
    switch likeness {
    case .target: false
    case .allButProperties: other.content == digest.content
    case .whole: other == digest
    }
  }

  private func hasBody(of parts: PublishBatch.Parts) -> Bool {
    guard parts.bodySize == UInt64(message.body.count) else { return false }
    var position = 0
    return message.body.withUnsafeBytes { body in
      parts.body.allSatisfy { part in
        defer { position += part.count }
        return part.elementsEqual(body[position..<(position + part.count)])
      }
    }
  }
}

/// What is kept of a mandatory publication whose time is up until the broker answers it: should it
/// come back, it must not be taken for another one.
struct PublicationDigest: Equatable {
  /// Of exchange, routing key and body.
  let content: Int
  let properties: Int

  init(
    exchange: some Collection<UInt8>, routingKey: some Collection<UInt8>,
    body: [UnsafeRawBufferPointer], properties: MessageProperties
  ) {
    var hasher = Hasher()
    hasher.combine(Array(exchange))
    hasher.combine(Array(routingKey))
    // However it is cut into frames.
    for part in body { hasher.combine(bytes: part) }
    content = hasher.finalize()
    self.properties = properties.hashValue
  }

  init(_ parts: PublishBatch.Parts) {
    self.init(
      exchange: parts.exchange, routingKey: parts.routingKey, body: parts.body,
      properties: MessageProperties(received: parts.properties))
  }
}

extension ConfirmTracker where Token == PublishBatch {
  /// Which of those in flight has come back.
  func find(_ returned: ReturnedMessage) -> (PublishBatch, Int)? {
    func find(_ likeness: ReturnedMessage.Likeness) -> (PublishBatch, Int)? {
      first { batch, index in !batch.isReturned(index) && batch.isLike(returned, index, likeness) }
    }
    if let found = find(.whole) ?? find(.allButProperties) { return found }
    // Better none than one that may have been taken, while it can be one that nobody waits for.
    guard first(where: { batch, _ in batch.isFinished }) == nil else { return nil }
    return find(.target)
  }
}
