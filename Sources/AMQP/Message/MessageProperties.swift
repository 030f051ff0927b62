import Synchronization

/// The properties of a message (specification, section 1.8.2 of the basic class). All are optional;
/// the texts are at most 255 bytes of UTF-8.
///
/// Those of a received message stay as they came until one of them is asked for: a consumer that
/// looks at the body only does not pay for them.
public struct MessageProperties: Sendable {
  /// All of them, decoded.
  struct Fields: Sendable, Hashable {
    var contentType: String?
    var contentEncoding: String?
    var headers = FieldTable()
    var deliveryMode: DeliveryMode?
    var priority: UInt8?
    var correlationID: String?
    var replyTo: String?
    var expiration: String?
    var messageID: String?
    var timestamp: UInt64?
    var type: String?
    var userID: String?
    var appID: String?
    var headersRefused: String?
  }

  /// As they came from the broker, and decoded once somebody has asked.
  private final class Received: Sendable {
    let bytes: [UInt8]
    private let decoded = Mutex<Fields?>(nil)

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func read<Value>(_ body: (borrowing Fields) -> Value) -> Value {
      decoded.withLock { decoded in
        if let fields = decoded { return body(fields) }
        let fields = bytes.withUnsafeBytes { Fields(encoded: $0) }
        decoded = fields
        return body(fields)
      }
    }
  }

  /// Most messages have no more than a delivery mode: that takes no memory of its own.
  private enum Storage {
    case plain(DeliveryMode?)
    indirect case fields(Fields)
    case received(Received)
  }

  private var storage: Storage

  /// Properties of the given values; all others are absent.
  public init(
    contentType: String? = nil, contentEncoding: String? = nil, headers: FieldTable = [:],
    deliveryMode: DeliveryMode? = nil, priority: UInt8? = nil, correlationID: String? = nil,
    replyTo: String? = nil, expiration: String? = nil, messageID: String? = nil,
    timestamp: UInt64? = nil, type: String? = nil, userID: String? = nil, appID: String? = nil
  ) {
    if contentType == nil, contentEncoding == nil, headers.isEmpty, priority == nil,
      correlationID == nil, replyTo == nil, expiration == nil, messageID == nil, timestamp == nil,
      type == nil, userID == nil, appID == nil
    {
      storage = .plain(deliveryMode)
      return
    }
    storage = .fields(
      Fields(
        contentType: contentType, contentEncoding: contentEncoding, headers: headers,
        deliveryMode: deliveryMode, priority: priority, correlationID: correlationID,
        replyTo: replyTo, expiration: expiration, messageID: messageID, timestamp: timestamp,
        type: type, userID: userID, appID: appID))
  }

  /// Properties as they came from the broker: flags, then the values.
  init(received bytes: UnsafeRawBufferPointer) {
    switch (bytes.count, bytes.first, bytes.count > 1 ? bytes[1] : 0) {
    case (2, 0, 0): storage = .plain(nil)
    case (3, 0x10, 0): storage = .plain(DeliveryMode(rawValue: bytes[2]))
    default: storage = .received(Received([UInt8](bytes)))
    }
  }

  /// Whether they came as these bytes, and have not been changed.
  func came(as bytes: UnsafeRawBufferPointer) -> Bool {
    if case .received(let received) = storage { received.bytes.isEqual(to: bytes) } else { false }
  }

  /// Whether there is nothing but a delivery mode, and which; `nil` if there may be more.
  var plainMode: DeliveryMode?? {
    if case .plain(let mode) = storage { .some(mode) } else { nil }
  }

  func read<Value>(_ body: (borrowing Fields) -> Value) -> Value {
    switch storage {
    case .plain(let mode): body(Fields(deliveryMode: mode))
    case .fields(let fields): body(fields)
    case .received(let received): received.read(body)
    }
  }

  private mutating func write(_ body: (inout Fields) -> Void) {
    var fields = read { copy $0 }
    body(&fields)
    storage = .fields(fields)
  }

  /// MIME type of the body.
  public var contentType: String? {
    get { read { $0.contentType } }
    set { write { $0.contentType = newValue } }
  }
  /// MIME content encoding of the body.
  public var contentEncoding: String? {
    get { read { $0.contentEncoding } }
    set { write { $0.contentEncoding = newValue } }
  }
  /// Application headers. Empty is the same as none.
  public var headers: FieldTable {
    get { read { $0.headers } }
    set { write { $0.headers = newValue } }
  }
  /// Why a received message's headers are not in ``headers``: they are nested more than 100 levels
  /// deep, or malformed. Such a message should be dead-lettered or dropped; it is as delivered in
  /// all else. Never sent.
  public var headersRefused: String? {
    get { read { $0.headersRefused } }
    set { write { $0.headersRefused = newValue } }
  }
  /// Whether the message survives a restart of the broker; none means transient.
  public var deliveryMode: DeliveryMode? {
    get { if case .plain(let mode) = storage { mode } else { read { $0.deliveryMode } } }
    set {
      if case .plain = storage {
        storage = .plain(newValue)
      } else {
        write { $0.deliveryMode = newValue }
      }
    }
  }
  /// 0 to 9 by the specification; RabbitMQ takes up to a queue's `x-max-priority`.
  public var priority: UInt8? {
    get { read { $0.priority } }
    set { write { $0.priority = newValue } }
  }
  /// Tells which request a reply answers.
  public var correlationID: String? {
    get { read { $0.correlationID } }
    set { write { $0.correlationID = newValue } }
  }
  /// The queue to which a reply is published.
  public var replyTo: String? {
    get { read { $0.replyTo } }
    set { write { $0.replyTo = newValue } }
  }
  /// Time to live in milliseconds, as decimal digits.
  public var expiration: String? {
    get { read { $0.expiration } }
    set { write { $0.expiration = newValue } }
  }
  /// Identity of the message, for applications.
  public var messageID: String? {
    get { read { $0.messageID } }
    set { write { $0.messageID = newValue } }
  }
  /// Seconds since 1970.
  public var timestamp: UInt64? {
    get { read { $0.timestamp } }
    set { write { $0.timestamp = newValue } }
  }
  /// Kind of the message, for applications.
  public var type: String? {
    get { read { $0.type } }
    set { write { $0.type = newValue } }
  }
  /// If set, the broker demands the name of the connection's user.
  public var userID: String? {
    get { read { $0.userID } }
    set { write { $0.userID = newValue } }
  }
  /// The application that made the message.
  public var appID: String? {
    get { read { $0.appID } }
    set { write { $0.appID = newValue } }
  }

  /// The most bytes that the properties can take in a content header. Throws
  /// ``AMQPError/invalidArgument(_:)`` if AMQP cannot carry one of them.
  func checkedSize() throws(AMQPError) -> Int {
    if case .plain = storage { return 3 }
    return try read { fields in
      Result { () throws(AMQPError) -> Int in try fields.checkedSize() }
    }.get()
  }
}

extension MessageProperties.Fields {
  fileprivate func checkedSize() throws(AMQPError) -> Int {
    // Flags 2, mode 1, priority 1, timestamp 8.
    var size = 2 + 1 + 1 + 8
    func add(_ value: String?, _ name: StaticString) throws(AMQPError) {
      guard let value else { return }
      let length = value.utf8.count
      guard length <= ShortString.limit else {
        try ShortString.check(value, "property \(name)")
        return
      }
      size += 1 + length
    }
    try add(contentType, "content-type")
    try add(contentEncoding, "content-encoding")
    try add(correlationID, "correlation-id")
    try add(replyTo, "reply-to")
    try add(expiration, "expiration")
    try add(messageID, "message-id")
    try add(type, "type")
    try add(userID, "user-id")
    try add(appID, "app-id")
    if !headers.isEmpty {
      guard headers.depth(atMost: FieldScan.maximumDepth) else {
        throw .invalidArgument(
          "the headers are nested more than \(FieldScan.maximumDepth) levels deep")
      }
      if let name = headers.overlongName {
        throw .invalidArgument(
          "the header name \(name.prefix(40))… is longer than \(ShortString.limit) bytes")
      }
      size += headers.encodedSize
    }
    return size
  }
}

extension MessageProperties: Hashable {
  public static func == (left: MessageProperties, right: MessageProperties) -> Bool {
    if case (.plain(let left), .plain(let right)) = (left.storage, right.storage) {
      return left == right
    }
    return left.read { copy $0 } == right.read { copy $0 }
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(read { copy $0 })
  }
}

extension MessageProperties: CustomStringConvertible {
  /// The properties that are present. Long values are shortened, headers are given by name only.
  public var description: String {
    let fields = read { copy $0 }
    var parts: [String] = []
    func add(_ name: String, _ value: (some Any)?) {
      if let value { parts.append("\(name): \(String("\(value)".prefix(100)))") }
    }
    add("contentType", fields.contentType)
    add("contentEncoding", fields.contentEncoding)
    if !fields.headers.isEmpty {
      add("headers", fields.headers.names.prefix(20).joined(separator: " "))
    }
    add("headersRefused", fields.headersRefused)
    add("deliveryMode", fields.deliveryMode?.rawValue)
    add("priority", fields.priority)
    add("correlationID", fields.correlationID)
    add("replyTo", fields.replyTo)
    add("expiration", fields.expiration)
    add("messageID", fields.messageID)
    add("timestamp", fields.timestamp)
    add("type", fields.type)
    add("userID", fields.userID)
    add("appID", fields.appID)
    return "MessageProperties(\(parts.joined(separator: ", ")))"
  }
}

/// Whether a message survives a restart of the broker in a durable classic queue. Quorum queues
/// keep all.
public enum DeliveryMode: UInt8, Sendable, Hashable {
  /// Kept in memory only.
  case transient = 1
  /// Written to disk.
  case persistent = 2
}
