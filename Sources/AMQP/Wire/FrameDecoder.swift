import CRabbitMQ
import Glibc

// The pointers here lead into the frame that is being decoded, and into librabbitmq's pool. All that
// is kept is copied out before either goes; nothing of a pointer leaves this file.

/// The methods that a broker sends to a client.
enum InboundMethod: Equatable {
  case start(properties: FieldTable, mechanisms: [String])
  case secure
  case tune(channelMax: UInt16, frameMax: UInt32, heartbeat: UInt16)
  case connectionOpenOk
  case connectionClose(code: UInt16, text: String)
  case connectionCloseOk
  case secretUpdated
  case blocked(reason: String)
  case unblocked
  case channelOpenOk
  case channelClose(code: UInt16, text: String)
  case channelCloseOk
  case flow(active: Bool)
  case declared(queue: String, messages: UInt32, consumers: UInt32)
  /// purge-ok and delete-ok: how many messages went.
  case removed(messages: UInt32)
  case consumeOk(consumerTag: String)
  case cancelled(consumerTag: String)
  case gotNothing
  /// Announces a message.
  case content(Content.Subject)
  case confirm(tag: UInt64, multiple: Bool, ack: Bool)
  /// Any of the replies that carry nothing: exchange.declare-ok, queue.bind-ok, qos-ok, select-ok,
  /// cancel-ok …
  case done
  case unexpected(UInt32)
}

/// Decodes methods, with librabbitmq where they are rare, by itself where they come with each
/// message.
struct MethodDecoder: ~Copyable {
  private var pool = amqp_pool_t()
  /// The names that came last: most deliveries of a channel repeat them.
  private var exchange = LastName()
  private var routingKey = LastName()
  /// The properties that came last: many publishers give all their messages the same ones.
  private var lastProperties = MessageProperties()

  init() { init_amqp_pool(&pool, 4_096) }

  deinit {
    var pool = pool
    empty_amqp_pool(&pool)
  }

  mutating func decode(_ payload: UnsafeRawBufferPointer) throws(AMQPError) -> InboundMethod {
    guard payload.count >= 4 else { throw .protocolViolation("a method without a number") }
    let id = UInt32(bigEndian: payload.loadUnaligned(as: UInt32.self))
    switch id {
    case AMQP_BASIC_ACK_METHOD, AMQP_BASIC_NACK_METHOD:
      guard payload.count >= 13 else { throw .protocolViolation("a confirm that is cut short") }
      return .confirm(
        tag: UInt64(bigEndian: payload.loadUnaligned(fromByteOffset: 4, as: UInt64.self)),
        multiple: payload[12] & 1 != 0, ack: id == AMQP_BASIC_ACK_METHOD)
    case AMQP_BASIC_DELIVER_METHOD:
      let fields = try delivery(payload)
      return .content(
        .delivery(
          tag: fields.tag, redelivered: fields.redelivered, exchange: fields.exchange,
          routingKey: fields.routingKey))
    case updateSecretOk:
      return .secretUpdated
    case AMQP_CONNECTION_START_METHOD:
      // The only table that a broker sends in a method.
      do throws(FieldScan.Refusal) {
        var scan = FieldScan(payload, from: min(6, payload.count))
        _ = try scan.table()
      } catch {
        throw .protocolViolation("server properties that are \(error.reason)")
      }
    // Those of the client, which a broker has no business to send, hold tables that nothing has looked
    // through: librabbitmq would decode them however deep they are.
    default: guard Self.comesFromBroker(id) else { return .unexpected(id) }
    }
    defer { recycle_amqp_pool(&pool) }
    var decoded: UnsafeMutableRawPointer?
    let encoded = amqp_bytes_t(
      len: payload.count - 4,
      // The library only reads it; its type has no const.
      bytes: UnsafeMutableRawPointer(mutating: payload.baseAddress! + 4))
    let status = amqp_decode_method(id, &pool, encoded, &decoded)
    switch status {
    case AMQP_STATUS_OK.rawValue: break
    case AMQP_STATUS_UNKNOWN_METHOD.rawValue: return .unexpected(id)
    default: throw .protocolViolation("method \(id >> 16).\(id & 0xFFFF) that cannot be decoded")
    }
    guard let decoded else { return .unexpected(id) }
    return InboundMethod(id, decoded)
  }

  /// Whether this is a method without a table that a broker sends to a client: what
  /// ``InboundMethod`` is made of, beside those that are decoded here.
  private static func comesFromBroker(_ id: amqp_method_number_t) -> Bool {
    switch id {
    case AMQP_CONNECTION_SECURE_METHOD, AMQP_CONNECTION_TUNE_METHOD,
      AMQP_CONNECTION_OPEN_OK_METHOD, AMQP_CONNECTION_CLOSE_METHOD,
      AMQP_CONNECTION_CLOSE_OK_METHOD, AMQP_CONNECTION_BLOCKED_METHOD,
      AMQP_CONNECTION_UNBLOCKED_METHOD,
      AMQP_CHANNEL_OPEN_OK_METHOD, AMQP_CHANNEL_FLOW_METHOD, AMQP_CHANNEL_CLOSE_METHOD,
      AMQP_CHANNEL_CLOSE_OK_METHOD,
      AMQP_EXCHANGE_DECLARE_OK_METHOD, AMQP_EXCHANGE_DELETE_OK_METHOD,
      AMQP_EXCHANGE_BIND_OK_METHOD, AMQP_EXCHANGE_UNBIND_OK_METHOD,
      AMQP_QUEUE_DECLARE_OK_METHOD, AMQP_QUEUE_BIND_OK_METHOD, AMQP_QUEUE_UNBIND_OK_METHOD,
      AMQP_QUEUE_PURGE_OK_METHOD, AMQP_QUEUE_DELETE_OK_METHOD,
      AMQP_BASIC_QOS_OK_METHOD, AMQP_BASIC_CONSUME_OK_METHOD, AMQP_BASIC_CANCEL_METHOD,
      AMQP_BASIC_CANCEL_OK_METHOD, AMQP_BASIC_RETURN_METHOD, AMQP_BASIC_GET_OK_METHOD,
      AMQP_BASIC_GET_EMPTY_METHOD,
      AMQP_CONFIRM_SELECT_OK_METHOD:
      true
    default: false
    }
  }

  /// What basic.deliver says, but for the consumer tag: the channel tells the consumer.
  struct DeliveryFields {
    let tag: UInt64
    let redelivered: Bool
    let exchange: String
    let routingKey: String
  }

  /// basic.deliver: consumer tag, delivery tag, redelivered, exchange, routing key.
  mutating func delivery(
    _ payload: UnsafeRawBufferPointer
  ) throws(AMQPError) -> DeliveryFields {
    let tag = 5 + Int(payload.count > 4 ? payload[4] : 0)
    guard payload.count > tag + 9 else { throw .protocolViolation("a delivery that is cut short") }
    let exchangeAt = tag + 10
    let keyAt = exchangeAt + Int(payload[exchangeAt - 1]) + 1
    guard keyAt <= payload.count, keyAt + Int(payload[keyAt - 1]) <= payload.count else {
      throw .protocolViolation("a delivery that is cut short")
    }
    return DeliveryFields(
      tag: UInt64(bigEndian: payload.loadUnaligned(fromByteOffset: tag, as: UInt64.self)),
      redelivered: payload[tag + 8] & 1 != 0,
      exchange: exchange.text(
        UnsafeRawBufferPointer(rebasing: payload[exchangeAt..<(keyAt - 1)])),
      routingKey: routingKey.text(
        UnsafeRawBufferPointer(rebasing: payload[keyAt..<(keyAt + Int(payload[keyAt - 1]))])))
  }

  /// Properties as they came; the very ones that came last if they are equal.
  mutating func properties(_ bytes: UnsafeRawBufferPointer) -> MessageProperties {
    if !lastProperties.came(as: bytes) { lastProperties = MessageProperties(received: bytes) }
    return lastProperties
  }
}

/// Makes text of bytes, once for those that repeat the last ones.
private struct LastName {
  private var bytes: [UInt8] = []
  private var string = ""

  mutating func text(_ new: UnsafeRawBufferPointer) -> String {
    if !bytes.isEqual(to: new) {
      bytes = [UInt8](new)
      string = String(decoding: new, as: UTF8.self)
    }
    return string
  }
}

/// connection.update-secret-ok (10.71), a RabbitMQ extension that librabbitmq does not know.
private let updateSecretOk: UInt32 = 10 << 16 | 71

extension InboundMethod {
  fileprivate init(_ id: amqp_method_number_t, _ decoded: UnsafeMutableRawPointer) {
    func fields<T>(_ type: T.Type) -> T { decoded.assumingMemoryBound(to: type).pointee }
    switch id {
    case AMQP_CONNECTION_START_METHOD:
      let method = fields(amqp_connection_start_t.self)
      self = .start(
        properties: FieldTable(method.server_properties),
        mechanisms: String(method.mechanisms).split(separator: " ").map(String.init))
    case AMQP_CONNECTION_SECURE_METHOD: self = .secure
    case AMQP_CONNECTION_TUNE_METHOD:
      let method = fields(amqp_connection_tune_t.self)
      self = .tune(
        channelMax: method.channel_max, frameMax: method.frame_max, heartbeat: method.heartbeat)
    case AMQP_CONNECTION_OPEN_OK_METHOD: self = .connectionOpenOk
    case AMQP_BASIC_GET_OK_METHOD:
      let method = fields(amqp_basic_get_ok_t.self)
      self = .content(
        .got(
          tag: method.delivery_tag, redelivered: method.redelivered != 0,
          exchange: String(method.exchange), routingKey: String(method.routing_key),
          remaining: method.message_count))
    case AMQP_BASIC_GET_EMPTY_METHOD: self = .gotNothing
    case AMQP_BASIC_RETURN_METHOD:
      let method = fields(amqp_basic_return_t.self)
      self = .content(
        .returned(
          code: method.reply_code, text: String(method.reply_text),
          exchange: String(method.exchange), routingKey: String(method.routing_key)))
    case AMQP_CONNECTION_CLOSE_METHOD:
      let method = fields(amqp_connection_close_t.self)
      self = .connectionClose(code: method.reply_code, text: String(method.reply_text))
    case AMQP_CHANNEL_CLOSE_METHOD:
      let method = fields(amqp_channel_close_t.self)
      self = .channelClose(code: method.reply_code, text: String(method.reply_text))
    case AMQP_CONNECTION_BLOCKED_METHOD:
      self = .blocked(reason: String(fields(amqp_connection_blocked_t.self).reason))
    case AMQP_CHANNEL_FLOW_METHOD:
      self = .flow(active: fields(amqp_channel_flow_t.self).active != 0)
    case AMQP_BASIC_CANCEL_METHOD:
      self = .cancelled(consumerTag: String(fields(amqp_basic_cancel_t.self).consumer_tag))
    case AMQP_BASIC_CONSUME_OK_METHOD:
      self = .consumeOk(consumerTag: String(fields(amqp_basic_consume_ok_t.self).consumer_tag))
    case AMQP_QUEUE_DECLARE_OK_METHOD:
      let method = fields(amqp_queue_declare_ok_t.self)
      self = .declared(
        queue: String(method.queue), messages: method.message_count,
        consumers: method.consumer_count)
    case AMQP_QUEUE_PURGE_OK_METHOD:
      self = .removed(messages: fields(amqp_queue_purge_ok_t.self).message_count)
    case AMQP_QUEUE_DELETE_OK_METHOD:
      self = .removed(messages: fields(amqp_queue_delete_ok_t.self).message_count)
    case AMQP_CONNECTION_CLOSE_OK_METHOD: self = .connectionCloseOk
    case AMQP_CONNECTION_UNBLOCKED_METHOD: self = .unblocked
    case AMQP_CHANNEL_OPEN_OK_METHOD: self = .channelOpenOk
    case AMQP_CHANNEL_CLOSE_OK_METHOD: self = .channelCloseOk
    case AMQP_EXCHANGE_DECLARE_OK_METHOD, AMQP_EXCHANGE_DELETE_OK_METHOD,
      AMQP_EXCHANGE_BIND_OK_METHOD, AMQP_EXCHANGE_UNBIND_OK_METHOD, AMQP_QUEUE_BIND_OK_METHOD,
      AMQP_QUEUE_UNBIND_OK_METHOD, AMQP_BASIC_QOS_OK_METHOD, AMQP_BASIC_CANCEL_OK_METHOD,
      AMQP_CONFIRM_SELECT_OK_METHOD:
      self = .done
    default: self = .unexpected(id)
    }
  }
}

extension MessageProperties.Fields {
  /// Decodes properties as they came. Headers that must not be decoded are left out, and
  /// ``headersRefused`` says why.
  init(encoded bytes: UnsafeRawBufferPointer) {
    self.init()
    let headers: (range: Range<Int>, refusal: FieldScan.Refusal?)?
    do throws(FieldScan.Refusal) {
      headers = try FieldScan.headers(of: bytes)
    } catch {
      headersRefused = "the properties are \(error.reason)"
      return
    }
    guard let headers, let refusal = headers.refusal else {
      decode(bytes)
      return
    }
    var rest = [UInt8](bytes[..<headers.range.lowerBound])
    rest += bytes[headers.range.upperBound...]
    rest[0] &= ~0x20
    rest.withUnsafeBytes { decode($0) }
    headersRefused = "the headers are \(refusal.reason)"
  }

  private mutating func decode(_ bytes: UnsafeRawBufferPointer) {
    var pool = amqp_pool_t()
    init_amqp_pool(&pool, 1_024)
    defer { empty_amqp_pool(&pool) }
    var decoded: UnsafeMutableRawPointer?
    let encoded = amqp_bytes_t(
      len: bytes.count, bytes: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
    guard
      amqp_decode_properties(UInt16(AMQP_BASIC_CLASS), &pool, encoded, &decoded)
        == AMQP_STATUS_OK.rawValue, let decoded
    else {
      headersRefused = "the properties are malformed"
      return
    }
    fill(decoded.assumingMemoryBound(to: amqp_basic_properties_t.self).pointee)
  }

  private mutating func fill(_ c: amqp_basic_properties_t) {
    func has(_ flag: Int32) -> Bool { c._flags & amqp_flags_t(flag) != 0 }
    func text(_ flag: Int32, _ bytes: amqp_bytes_t) -> String? { has(flag) ? String(bytes) : nil }
    contentType = text(AMQP_BASIC_CONTENT_TYPE_FLAG, c.content_type)
    contentEncoding = text(AMQP_BASIC_CONTENT_ENCODING_FLAG, c.content_encoding)
    if has(AMQP_BASIC_HEADERS_FLAG) { headers = FieldTable(c.headers) }
    if has(AMQP_BASIC_DELIVERY_MODE_FLAG) { deliveryMode = DeliveryMode(rawValue: c.delivery_mode) }
    if has(AMQP_BASIC_PRIORITY_FLAG) { priority = c.priority }
    correlationID = text(AMQP_BASIC_CORRELATION_ID_FLAG, c.correlation_id)
    replyTo = text(AMQP_BASIC_REPLY_TO_FLAG, c.reply_to)
    expiration = text(AMQP_BASIC_EXPIRATION_FLAG, c.expiration)
    messageID = text(AMQP_BASIC_MESSAGE_ID_FLAG, c.message_id)
    if has(AMQP_BASIC_TIMESTAMP_FLAG) { timestamp = c.timestamp }
    type = text(AMQP_BASIC_TYPE_FLAG, c.type)
    userID = text(AMQP_BASIC_USER_ID_FLAG, c.user_id)
    appID = text(AMQP_BASIC_APP_ID_FLAG, c.app_id)
  }
}

extension FieldTable {
  init(_ c: amqp_table_t) {
    self.init()
    guard let entries = c.entries, c.num_entries > 0 else { return }
    for entry in UnsafeBufferPointer(start: entries, count: Int(c.num_entries)) {
      append(name: String(entry.key), value: FieldValue(entry.value))
    }
  }
}

extension FieldValue {
  init(_ c: amqp_field_value_t) {
    let value = c.value
    switch amqp_field_value_kind_t(UInt32(c.kind)) {
    case AMQP_FIELD_KIND_BOOLEAN: self = .bool(value.boolean != 0)
    case AMQP_FIELD_KIND_I8: self = .int8(value.i8)
    case AMQP_FIELD_KIND_U8: self = .uint8(value.u8)
    case AMQP_FIELD_KIND_I16: self = .int16(value.i16)
    case AMQP_FIELD_KIND_U16: self = .uint16(value.u16)
    case AMQP_FIELD_KIND_I32: self = .int32(value.i32)
    case AMQP_FIELD_KIND_U32: self = .uint32(value.u32)
    case AMQP_FIELD_KIND_I64: self = .int64(value.i64)
    case AMQP_FIELD_KIND_U64: self = .uint64(value.u64)
    case AMQP_FIELD_KIND_F32: self = .float(value.f32)
    case AMQP_FIELD_KIND_F64: self = .double(value.f64)
    case AMQP_FIELD_KIND_DECIMAL:
      self = .decimal(scale: value.decimal.decimals, value: value.decimal.value)
    case AMQP_FIELD_KIND_UTF8:
      let bytes = [UInt8](value.bytes)
      self = String(validating: bytes, as: UTF8.self).map(FieldValue.string) ?? .bytes(bytes)
    case AMQP_FIELD_KIND_BYTES: self = .bytes([UInt8](value.bytes))
    case AMQP_FIELD_KIND_ARRAY:
      guard let entries = value.array.entries, value.array.num_entries > 0 else {
        self = .array([])
        return
      }
      self = .array(
        UnsafeBufferPointer(start: entries, count: Int(value.array.num_entries))
          .map(FieldValue.init))
    case AMQP_FIELD_KIND_TIMESTAMP: self = .timestamp(value.u64)
    case AMQP_FIELD_KIND_TABLE: self = .table(FieldTable(value.table))
    default: self = .void
    }
  }
}

extension [UInt8] {
  /// Whether these are those bytes.
  func isEqual(to other: UnsafeRawBufferPointer) -> Bool {
    guard count == other.count else { return false }
    guard let base = other.baseAddress, count > 0 else { return true }
    return withUnsafeBytes { memcmp($0.baseAddress!, base, other.count) == 0 }
  }

  fileprivate init(_ c: amqp_bytes_t) {
    self.init(UnsafeRawBufferPointer(start: c.bytes, count: c.bytes == nil ? 0 : c.len))
  }
}

extension String {
  /// Bytes that are no UTF-8 become replacement characters.
  init(_ c: amqp_bytes_t) {
    self.init(
      decoding: UnsafeRawBufferPointer(start: c.bytes, count: c.bytes == nil ? 0 : c.len),
      as: UTF8.self)
  }
}
