/// What became of a published message: exactly one of five.
public enum PublishVerdict: Sendable, Hashable {
  /// The broker has taken responsibility for it (or, if not mandatory and unroutable, dropped it as
  /// told).
  case confirmed
  /// Mandatory, and no queue took it: the broker's code (312 NO_ROUTE) and text.
  case returned(replyCode: UInt16, text: String)
  /// The broker refused it, such as for a full queue with `x-overflow: reject-publish`.
  case nacked
  /// It never left this process, so publishing it again cannot make two of it. The text says why.
  case notSent(String)
  /// Nobody knows: it was sent, and the connection or channel was lost before the answer, or the
  /// time was up. The text says why.
  case unknown(String)
}
