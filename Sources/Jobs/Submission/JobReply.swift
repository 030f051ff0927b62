/// Where the final job of a submission is to be sent: what the producer gave as `reply_to` and `correlation_id`.
public struct JobReply: Sendable, Hashable, Codable {
  /// The most producers that are told of one job's end; of more, the latest.
  public static let mostOfOneJob = 32

  /// A queue, or a direct reply-to address.
  public let address: String
  /// Repeated in the message, so that the producer knows what it is about.
  public let correlationID: String?

  /// A wish to be told.
  public init(address: String, correlationID: String? = nil) {
    self.address = address
    self.correlationID = correlationID
  }
}
