/// Where the final job of a submission is to be sent: what the producer gave as `reply_to` and `correlation_id`.
public struct JobReply: Sendable, Hashable, Codable {
  /// A queue, or a direct reply-to address.
  public let address: String
  public let correlationID: String?

  public init(address: String, correlationID: String? = nil) {
    self.address = address
    self.correlationID = correlationID
  }
}
