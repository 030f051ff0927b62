/// Whether to let input gather for a moment before the socket is read again: while much comes, to wake
/// for every few messages costs more than to deal with them. A value without I/O.
struct Gathering {
  /// For how long: what a message may come later by.
  static let time = Duration.milliseconds(1)
  /// How many deliveries must have come in that time.
  static let least = 8
  /// From here on, a read was worth its while anyway.
  static let enoughBytes = 65_536

  /// When what is counted began to come.
  private var begin: ContinuousClock.Instant?
  private var count = 0
  /// Until when the socket is left alone.
  private(set) var end: ContinuousClock.Instant?

  /// Notes what one read has brought.
  mutating func received(_ deliveries: Int, bytes: Int, at now: ContinuousClock.Instant) {
    guard deliveries > 0 else { return }
    if begin.map({ now - $0 >= Self.time }) ?? true {
      begin = now
      count = 0
    }
    count += deliveries
    guard count >= Self.least, bytes < Self.enoughBytes else { return }
    begin = now
    count = 0
    end = now + Self.time
  }

  /// Ends it when it is time: whether it is, so that the socket is to be read.
  mutating func isOver(_ now: ContinuousClock.Instant) -> Bool {
    guard let end, now >= end else { return false }
    self.end = nil
    return true
  }
}
