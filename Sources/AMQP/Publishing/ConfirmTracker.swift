/// Matches the broker's answers to the publications of one confirm channel.
///
/// The broker numbers publications 1, 2, 3 … as they come, and acknowledges each or, with
/// `multiple`, all up to a number. A return bears no number; it comes before the acknowledgement of
/// its message and repeats that message, so it is matched by content. Two in-flight messages that
/// are equal in everything cannot be told apart by the caller either: which of them gets the
/// verdict makes no difference.
struct ConfirmTracker<Token> {
  private struct Entry {
    var token: Token
    /// Kept of mandatory publications only: what a return is compared with.
    var publication: Publication?
    var returned: PublishVerdict?
  }

  /// The in-flight publications from number `first` on; `nil` where one has been answered out of
  /// order.
  private var entries: [Entry?] = []
  /// How many leading elements of `entries` are answered and not yet removed.
  private var answered = 0
  /// The number of `entries[answered]`.
  private var first: UInt64 = 1
  /// How many publications await their answer.
  private(set) var count = 0

  /// Notes a publication that is about to be sent.
  mutating func sent(_ token: Token, _ publication: Publication) {
    entries.append(
      Entry(token: token, publication: publication.mandatory ? publication : nil, returned: nil))
    count += 1
  }

  /// Notes a return. False if it fits no publication in flight.
  mutating func returned(
    _ message: Message, exchange: String, routingKey: String, code: UInt16, text: String
  ) -> Bool {
    var best: (index: Int, score: Int)?
    for index in answered..<entries.count {
      guard let entry = entries[index], entry.returned == nil, let publication = entry.publication,
        publication.routingKey == routingKey, publication.exchange == exchange
      else { continue }
      // The broker may have changed headers (it removes BCC), so likeness decides, not equality
      // alone.
      let score =
        (publication.message.properties == message.properties ? 2 : 0)
        + (publication.message.body == message.body ? 1 : 0)
      if score > (best?.score ?? -1) { best = (index, score) }
      if score == 3 { break }
    }
    guard let best else { return false }
    entries[best.index]?.returned = .returned(replyCode: code, text: text)
    return true
  }

  /// Takes an acknowledgement (`ack` true) or refusal, and hands each publication that it answers
  /// to `body`, in order.
  ///
  /// Throws ``AMQPError/protocolViolation(_:)`` for a number that was never sent. One that has been
  /// answered already is ignored.
  mutating func answered(
    tag: UInt64, multiple: Bool, ack: Bool, _ body: (Token, PublishVerdict) -> Void
  ) throws(AMQPError) {
    let verdict: PublishVerdict = ack ? .confirmed : .nacked
    // Number 0 with `multiple` means all (specification, basic.ack, delivery-tag).
    let last = tag == 0 && multiple ? first + UInt64(entries.count - answered) - 1 : tag
    guard last < first + UInt64(entries.count - answered) else {
      throw .protocolViolation("a confirm of publication \(tag), which was never sent")
    }
    guard last >= first else { return }
    let index = answered + Int(last - first)
    for position in (multiple ? answered : index)...index {
      guard let entry = entries[position] else { continue }
      entries[position] = nil
      count -= 1
      body(entry.token, entry.returned ?? verdict)
    }
    compact()
  }

  /// The channel is gone: hands each unanswered publication to `body` with `.unknown(why)` (a
  /// returned one with its return), and begins anew with number 1.
  mutating func lost(_ why: String, _ body: (Token, PublishVerdict) -> Void) {
    let unanswered = entries[answered...]
    self = ConfirmTracker()
    for case let entry? in unanswered {
      body(entry.token, entry.returned ?? .unknown(why))
    }
  }

  /// Drops the answered beginning; moves the rest only when at least half is dropped, so each costs
  /// constant time.
  private mutating func compact() {
    while answered < entries.count, entries[answered] == nil {
      answered += 1
      first += 1
    }
    if answered == entries.count {
      entries.removeAll(keepingCapacity: true)
      answered = 0
    } else if answered > 64, answered * 2 >= entries.count {
      entries.removeSubrange(..<answered)
      answered = 0
    }
  }
}
