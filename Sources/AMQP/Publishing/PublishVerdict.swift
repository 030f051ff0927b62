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
