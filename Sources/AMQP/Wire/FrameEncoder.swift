import CRabbitMQ

/// Makes C values of Swift ones, in memory that is given back at once by ``recycle()``.
///
/// It is `~Copyable` because it owns that memory. The pointers that it hands out live until
/// ``recycle()``.
struct FrameEncoder: ~Copyable {
  // librabbitmq's arena: one allocation for many small values, none at all once it is warm.
  private var pool = amqp_pool_t()

  init() {
    init_amqp_pool(&pool, 16_384)
  }

  deinit {
    var pool = pool
    empty_amqp_pool(&pool)
  }

  /// Everything handed out so far becomes invalid.
  mutating func recycle() {
    recycle_amqp_pool(&pool)
  }

  mutating func bytes(_ text: String) -> amqp_bytes_t {
    var text = text
    return text.withUTF8 { copy(UnsafeRawBufferPointer($0)) }
  }

  mutating func table(_ table: FieldTable) -> amqp_table_t {
    guard !table.isEmpty,
      let entries = allocate(amqp_table_entry_t.self, table.count)
    else { return amqp_table_t() }
    for (index, entry) in table.enumerated() {
      entries[index] = amqp_table_entry_t(key: bytes(entry.name), value: value(entry.value))
    }
    return amqp_table_t(num_entries: Int32(clamping: table.count), entries: entries)
  }

  mutating func properties(_ properties: MessageProperties) -> amqp_basic_properties_t {
    var c = amqp_basic_properties_t()
    func flag(_ flag: Int32) { c._flags |= amqp_flags_t(flag) }
    if let value = properties.contentType {
      flag(AMQP_BASIC_CONTENT_TYPE_FLAG)
      c.content_type = bytes(value)
    }
    if let value = properties.contentEncoding {
      flag(AMQP_BASIC_CONTENT_ENCODING_FLAG)
      c.content_encoding = bytes(value)
    }
    if !properties.headers.isEmpty {
      flag(AMQP_BASIC_HEADERS_FLAG)
      c.headers = table(properties.headers)
    }
    if let value = properties.deliveryMode {
      flag(AMQP_BASIC_DELIVERY_MODE_FLAG)
      c.delivery_mode = value.rawValue
    }
    if let value = properties.priority {
      flag(AMQP_BASIC_PRIORITY_FLAG)
      c.priority = value
    }
    if let value = properties.correlationID {
      flag(AMQP_BASIC_CORRELATION_ID_FLAG)
      c.correlation_id = bytes(value)
    }
    if let value = properties.replyTo {
      flag(AMQP_BASIC_REPLY_TO_FLAG)
      c.reply_to = bytes(value)
    }
    if let value = properties.expiration {
      flag(AMQP_BASIC_EXPIRATION_FLAG)
      c.expiration = bytes(value)
    }
    if let value = properties.messageID {
      flag(AMQP_BASIC_MESSAGE_ID_FLAG)
      c.message_id = bytes(value)
    }
    if let value = properties.timestamp {
      flag(AMQP_BASIC_TIMESTAMP_FLAG)
      c.timestamp = value
    }
    if let value = properties.type {
      flag(AMQP_BASIC_TYPE_FLAG)
      c.type = bytes(value)
    }
    if let value = properties.userID {
      flag(AMQP_BASIC_USER_ID_FLAG)
      c.user_id = bytes(value)
    }
    if let value = properties.appID {
      flag(AMQP_BASIC_APP_ID_FLAG)
      c.app_id = bytes(value)
    }
    return c
  }

  private mutating func value(_ value: FieldValue) -> amqp_field_value_t {
    var c = amqp_field_value_t()
    func kind(_ kind: amqp_field_value_kind_t) { c.kind = UInt8(truncatingIfNeeded: kind.rawValue) }
    switch value {
    case .bool(let value):
      kind(AMQP_FIELD_KIND_BOOLEAN)
      c.value.boolean = value ? 1 : 0
    case .int8(let value):
      kind(AMQP_FIELD_KIND_I8)
      c.value.i8 = value
    case .uint8(let value):
      kind(AMQP_FIELD_KIND_U8)
      c.value.u8 = value
    case .int16(let value):
      kind(AMQP_FIELD_KIND_I16)
      c.value.i16 = value
    case .uint16(let value):
      kind(AMQP_FIELD_KIND_U16)
      c.value.u16 = value
    case .int32(let value):
      kind(AMQP_FIELD_KIND_I32)
      c.value.i32 = value
    case .uint32(let value):
      kind(AMQP_FIELD_KIND_U32)
      c.value.u32 = value
    case .int64(let value):
      kind(AMQP_FIELD_KIND_I64)
      c.value.i64 = value
    case .uint64(let value):
      kind(AMQP_FIELD_KIND_U64)
      c.value.u64 = value
    case .float(let value):
      kind(AMQP_FIELD_KIND_F32)
      c.value.f32 = value
    case .double(let value):
      kind(AMQP_FIELD_KIND_F64)
      c.value.f64 = value
    case .decimal(let scale, let value):
      kind(AMQP_FIELD_KIND_DECIMAL)
      c.value.decimal = amqp_decimal_t(decimals: scale, value: value)
    case .string(let value):
      kind(AMQP_FIELD_KIND_UTF8)
      c.value.bytes = bytes(value)
    case .bytes(let value):
      kind(AMQP_FIELD_KIND_BYTES)
      c.value.bytes = value.withUnsafeBytes { copy($0) }
    case .array(let values):
      kind(AMQP_FIELD_KIND_ARRAY)
      if !values.isEmpty, let entries = allocate(amqp_field_value_t.self, values.count) {
        for (index, element) in values.enumerated() { entries[index] = self.value(element) }
        c.value.array = amqp_array_t(num_entries: Int32(clamping: values.count), entries: entries)
      }
    case .timestamp(let value):
      kind(AMQP_FIELD_KIND_TIMESTAMP)
      c.value.u64 = value
    case .table(let value):
      kind(AMQP_FIELD_KIND_TABLE)
      c.value.table = table(value)
    case .void:
      kind(AMQP_FIELD_KIND_VOID)
    }
    return c
  }

  private mutating func copy(_ source: UnsafeRawBufferPointer) -> amqp_bytes_t {
    guard let base = source.baseAddress, let target = amqp_pool_alloc(&pool, source.count) else {
      return amqp_bytes_t()
    }
    target.copyMemory(from: base, byteCount: source.count)
    return amqp_bytes_t(len: source.count, bytes: target)
  }

  private mutating func allocate<T>(_ type: T.Type, _ count: Int) -> UnsafeMutablePointer<T>? {
    // The pool aligns to eight bytes, as all these C structures need.
    amqp_pool_alloc(&pool, count * MemoryLayout<T>.stride)?.bindMemory(to: type, capacity: count)
  }
}
