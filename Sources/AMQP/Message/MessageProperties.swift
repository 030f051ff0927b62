/// The properties of a message (specification, section 1.8.2 of the basic class). All are optional;
/// the texts are at most 255 bytes of UTF-8.
public struct MessageProperties: Sendable, Hashable {
  /// MIME type of the body.
  public var contentType: String?
  /// MIME content encoding of the body.
  public var contentEncoding: String?
  /// Application headers. Empty is the same as none.
  public var headers: FieldTable
  /// Whether the message survives a restart of the broker; none means transient.
  public var deliveryMode: DeliveryMode?
  /// 0 to 9 by the specification; RabbitMQ takes up to a queue's `x-max-priority`.
  public var priority: UInt8?
  /// Tells which request a reply answers.
  public var correlationID: String?
  /// The queue to which a reply is published.
  public var replyTo: String?
  /// Time to live in milliseconds, as decimal digits.
  public var expiration: String?
  /// Identity of the message, for applications.
  public var messageID: String?
  /// Seconds since 1970.
  public var timestamp: UInt64?
  /// Kind of the message, for applications.
  public var type: String?
  /// If set, the broker demands the name of the connection's user.
  public var userID: String?
  /// The application that made the message.
  public var appID: String?

  /// Properties of the given values; all others are absent.
  public init(
    contentType: String? = nil, contentEncoding: String? = nil, headers: FieldTable = [:],
    deliveryMode: DeliveryMode? = nil, priority: UInt8? = nil, correlationID: String? = nil,
    replyTo: String? = nil, expiration: String? = nil, messageID: String? = nil,
    timestamp: UInt64? = nil, type: String? = nil, userID: String? = nil, appID: String? = nil
  ) {
    self.contentType = contentType
    self.contentEncoding = contentEncoding
    self.headers = headers
    self.deliveryMode = deliveryMode
    self.priority = priority
    self.correlationID = correlationID
    self.replyTo = replyTo
    self.expiration = expiration
    self.messageID = messageID
    self.timestamp = timestamp
    self.type = type
    self.userID = userID
    self.appID = appID
  }

  /// The text properties, each with its name in the specification.
  private var texts: [(name: String, value: String?)] {
    [
      ("content-type", contentType), ("content-encoding", contentEncoding),
      ("correlation-id", correlationID), ("reply-to", replyTo), ("expiration", expiration),
      ("message-id", messageID), ("type", type), ("user-id", userID), ("app-id", appID),
    ]
  }

  /// Throws ``AMQPError/invalidArgument(_:)`` if the properties do not fit into one frame of
  /// `frameMax` bytes, or one of them is too long. They must be refused before the first frame is
  /// sent: a message cannot be taken back half-way.
  func check(frameMax: Int) throws(AMQPError) {
    // Frame header and end 8, class, weight and body size 12, flags 2, mode 1, priority 1,
    // timestamp 8.
    var size = 8 + 12 + 2 + 1 + 1 + 8
    for (name, value) in texts {
      guard let value else { continue }
      try ShortString.check(value, "property \(name)")
      size += 1 + value.utf8.count
    }
    if !headers.isEmpty {
      if let name = headers.overlongName {
        throw .invalidArgument(
          "the header name \(name.prefix(40))… is longer than \(ShortString.limit) bytes")
      }
      size += headers.encodedSize
    }
    guard size <= frameMax else {
      throw .invalidArgument(
        "properties and headers take \(size) bytes, the connection allows \(frameMax) (frame_max)"
      )
    }
  }
}
