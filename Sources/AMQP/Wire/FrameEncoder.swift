import CRabbitMQ

/// Encodes frames: makes C values of Swift ones, and has librabbitmq encode these.
///
/// It is `~Copyable` because it owns the memory of the C values, which is given back after each frame.
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

  private mutating func recycle() {
    recycle_amqp_pool(&pool)
  }

  private mutating func bytes(_ text: String) -> amqp_bytes_t {
    var text = text
    return text.withUTF8 { copy(UnsafeRawBufferPointer($0)) }
  }

  private mutating func table(_ table: FieldTable) -> amqp_table_t {
    guard !table.isEmpty,
      let entries = allocate(amqp_table_entry_t.self, table.count)
    else { return amqp_table_t() }
    for (index, entry) in table.enumerated() {
      entries[index] = amqp_table_entry_t(key: bytes(entry.name), value: value(entry.value))
    }
    return amqp_table_t(num_entries: Int32(clamping: table.count), entries: entries)
  }

  private mutating func properties(
    _ properties: MessageProperties.Fields
  ) -> amqp_basic_properties_t {
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

  // MARK: Frames

  /// The size of a publication's frames, at most, when its properties take `properties` bytes.
  static func size(_ publication: Publication, properties: Int, frameMax: Int) -> Int {
    let payload = frameMax - FrameReader.overhead
    let body = publication.message.body.count
    let frames = (body + payload - 1) / payload
    return FrameReader.overhead * (2 + frames) + 4 + 2 + 3 + publication.exchange.utf8.count
      + publication.routingKey.utf8.count + 12 + properties + body
  }

  /// Appends the frames of a publication, whose channel is filled in later: method, header, body.
  mutating func append(
    _ publication: Publication, frameMax: Int, to writer: inout ByteWriter
  ) throws(AMQPError) {
    defer { recycle() }
    var method = amqp_basic_publish_t(
      ticket: 0, exchange: bytes(publication.exchange), routing_key: bytes(publication.routingKey),
      mandatory: publication.mandatory ? 1 : 0, immediate: 0)
    try append(AMQP_BASIC_PUBLISH_METHOD, &method, channel: 0, frameMax: frameMax, to: &writer)
    let message = publication.message
    let header = writer.beginFrame(.header, channel: 0)
    writer.append(UInt16(AMQP_BASIC_CLASS))
    writer.append(UInt16(0))
    writer.append(UInt64(message.body.count))
    if let mode = message.properties.plainMode {
      writer.append(UInt16(mode == nil ? 0 : AMQP_BASIC_DELIVERY_MODE_FLAG))
      if let mode { writer.append(mode.rawValue) }
    } else {
      var c = properties(message.properties.read { copy $0 })
      let space = writer.reserve(0)
      let length = amqp_encode_properties(
        UInt16(AMQP_BASIC_CLASS), &c, amqp_bytes_t(len: space.count, bytes: space.baseAddress))
      guard length >= 0 else { throw .invalidArgument("properties that cannot be encoded") }
      writer.wrote(Int(length))
    }
    writer.endFrame(header)
    message.body.withUnsafeBytes { body in
      var rest = body[...]
      while !rest.isEmpty {
        let part = rest.prefix(frameMax - FrameReader.overhead)
        let frame = writer.beginFrame(.body, channel: 0)
        writer.append(UnsafeRawBufferPointer(rebasing: part))
        writer.endFrame(frame)
        rest = rest[part.endIndex...]
      }
    }
  }

  private mutating func append<Fields: BitwiseCopyable>(
    _ id: amqp_method_number_t, _ fields: inout Fields, channel: UInt16, frameMax: Int,
    to writer: inout ByteWriter
  ) throws(AMQPError) {
    let start = writer.count
    let frame = writer.beginFrame(.method, channel: channel)
    writer.append(id)
    // Most methods are short; only one with a large table needs more room.
    var room = 1_024
    while true {
      let space = writer.reserve(room)
      let length = amqp_encode_method(
        id, &fields, amqp_bytes_t(len: space.count, bytes: space.baseAddress))
      // The payload is the method's number and its fields.
      if length >= 0, Int(length) + 4 + FrameReader.overhead <= frameMax {
        writer.wrote(Int(length))
        writer.endFrame(frame)
        return
      }
      guard length < 0, room < frameMax else {
        // Half a frame would end the connection.
        writer.cut(to: start)
        throw .invalidArgument(
          "a method that takes more than \(frameMax) bytes, the connection's frame_max")
      }
      room = min(room * 8, frameMax)
    }
  }

  /// Appends the frame of a method.
  mutating func append(
    _ method: OutboundMethod, channel: UInt16, frameMax: Int, to writer: inout ByteWriter
  ) throws(AMQPError) {
    defer { recycle() }
    func send<Fields: BitwiseCopyable>(
      _ id: amqp_method_number_t, _ fields: Fields
    ) throws(AMQPError) {
      var fields = fields
      try append(id, &fields, channel: channel, frameMax: frameMax, to: &writer)
    }
    switch method {
    case .protocolHeader:
      Array("AMQP\u{0}\u{0}\u{9}\u{1}".utf8).withUnsafeBytes { writer.append($0) }
    case .heartbeat:
      writer.endFrame(writer.beginFrame(.heartbeat, channel: 0))
    case .startOk(let properties, let mechanism, let response):
      try send(
        AMQP_CONNECTION_START_OK_METHOD,
        amqp_connection_start_ok_t(
          client_properties: table(properties), mechanism: bytes(mechanism),
          response: response.withUnsafeBytes { copy($0) }, locale: bytes("en_US")))
    case .tuneOk(let limits):
      try send(
        AMQP_CONNECTION_TUNE_OK_METHOD,
        amqp_connection_tune_ok_t(
          channel_max: limits.channelMax, frame_max: UInt32(limits.frameMax),
          heartbeat: limits.heartbeat))
    case .connectionOpen(let virtualHost):
      try send(
        AMQP_CONNECTION_OPEN_METHOD,
        amqp_connection_open_t(
          virtual_host: bytes(virtualHost), capabilities: amqp_bytes_t(), insist: 0))
    case .updateSecret(let secret, let reason):
      // librabbitmq does not know it: new-secret (long string), reason (short string).
      let frame = writer.beginFrame(.method, channel: channel)
      writer.append(UInt32(10 << 16 | 70))
      writer.append(UInt32(secret.count))
      secret.withUnsafeBytes { writer.append($0) }
      writer.append(UInt8(reason.utf8.count))
      Array(reason.utf8).withUnsafeBytes { writer.append($0) }
      writer.endFrame(frame)
    case .connectionClose:
      try send(
        AMQP_CONNECTION_CLOSE_METHOD,
        amqp_connection_close_t(
          reply_code: UInt16(AMQP_REPLY_SUCCESS), reply_text: bytes("bye"), class_id: 0,
          method_id: 0))
    case .connectionCloseOk:
      try send(AMQP_CONNECTION_CLOSE_OK_METHOD, amqp_connection_close_ok_t())
    case .channelOpen:
      try send(AMQP_CHANNEL_OPEN_METHOD, amqp_channel_open_t())
    case .channelClose:
      try send(
        AMQP_CHANNEL_CLOSE_METHOD,
        amqp_channel_close_t(
          reply_code: UInt16(AMQP_REPLY_SUCCESS), reply_text: bytes("bye"), class_id: 0,
          method_id: 0))
    case .channelCloseOk:
      try send(AMQP_CHANNEL_CLOSE_OK_METHOD, amqp_channel_close_ok_t())
    case .flowOk(let active):
      try send(
        AMQP_CHANNEL_FLOW_OK_METHOD, amqp_channel_flow_ok_t(active: active ? 1 : 0))
    case .confirmSelect:
      try send(AMQP_CONFIRM_SELECT_METHOD, amqp_confirm_select_t(nowait: 0))
    case .exchangeDeclare(let exchange):
      try send(
        AMQP_EXCHANGE_DECLARE_METHOD,
        amqp_exchange_declare_t(
          ticket: 0, exchange: bytes(exchange.name),
          type: bytes(exchange.kind.name), passive: 0, durable: exchange.durable ? 1 : 0,
          auto_delete: exchange.autoDelete ? 1 : 0, internal: exchange.internal ? 1 : 0, nowait: 0,
          arguments: table(exchange.arguments)))
    case .exchangeInspect(let name):
      try send(
        AMQP_EXCHANGE_DECLARE_METHOD,
        amqp_exchange_declare_t(
          ticket: 0, exchange: bytes(name), type: bytes("direct"), passive: 1, durable: 0,
          auto_delete: 0, internal: 0, nowait: 0, arguments: amqp_table_t()))
    case .exchangeDelete(let name, let ifUnused):
      try send(
        AMQP_EXCHANGE_DELETE_METHOD,
        amqp_exchange_delete_t(
          ticket: 0, exchange: bytes(name), if_unused: ifUnused ? 1 : 0, nowait: 0))
    case .queueDeclare(let queue):
      try send(
        AMQP_QUEUE_DECLARE_METHOD,
        amqp_queue_declare_t(
          ticket: 0, queue: bytes(queue.name), passive: 0, durable: queue.durable ? 1 : 0,
          exclusive: queue.exclusive ? 1 : 0, auto_delete: queue.autoDelete ? 1 : 0, nowait: 0,
          arguments: table(queue.arguments)))
    case .queueInspect(let name):
      try send(
        AMQP_QUEUE_DECLARE_METHOD,
        amqp_queue_declare_t(
          ticket: 0, queue: bytes(name), passive: 1, durable: 0, exclusive: 0,
          auto_delete: 0, nowait: 0, arguments: amqp_table_t()))
    case .queueDelete(let name, let ifUnused, let ifEmpty):
      try send(
        AMQP_QUEUE_DELETE_METHOD,
        amqp_queue_delete_t(
          ticket: 0, queue: bytes(name), if_unused: ifUnused ? 1 : 0,
          if_empty: ifEmpty ? 1 : 0, nowait: 0))
    case .queuePurge(let name):
      try send(
        AMQP_QUEUE_PURGE_METHOD,
        amqp_queue_purge_t(ticket: 0, queue: bytes(name), nowait: 0))
    case .bind(let binding):
      let (source, key) = (bytes(binding.source), bytes(binding.routingKey))
      let arguments = table(binding.arguments)
      switch binding.destination {
      case .queue(let name):
        try send(
          AMQP_QUEUE_BIND_METHOD,
          amqp_queue_bind_t(
            ticket: 0, queue: bytes(name), exchange: source, routing_key: key, nowait: 0,
            arguments: arguments))
      case .exchange(let name):
        try send(
          AMQP_EXCHANGE_BIND_METHOD,
          amqp_exchange_bind_t(
            ticket: 0, destination: bytes(name), source: source, routing_key: key, nowait: 0,
            arguments: arguments))
      }
    case .unbind(let binding):
      let (source, key) = (bytes(binding.source), bytes(binding.routingKey))
      let arguments = table(binding.arguments)
      switch binding.destination {
      case .queue(let name):
        try send(
          AMQP_QUEUE_UNBIND_METHOD,
          amqp_queue_unbind_t(
            ticket: 0, queue: bytes(name), exchange: source, routing_key: key,
            arguments: arguments))
      case .exchange(let name):
        try send(
          AMQP_EXCHANGE_UNBIND_METHOD,
          amqp_exchange_unbind_t(
            ticket: 0, destination: bytes(name), source: source, routing_key: key, nowait: 0,
            arguments: arguments))
      }
    case .qos(let prefetch):
      try send(
        AMQP_BASIC_QOS_METHOD,
        amqp_basic_qos_t(prefetch_size: 0, prefetch_count: prefetch, global: 0))
    case .consume(let subscription):
      try send(
        AMQP_BASIC_CONSUME_METHOD,
        amqp_basic_consume_t(
          ticket: 0, queue: bytes(subscription.queue),
          consumer_tag: bytes(subscription.consumerTag ?? ""), no_local: 0,
          no_ack: subscription.noAck ? 1 : 0, exclusive: subscription.exclusive ? 1 : 0, nowait: 0,
          arguments: table(subscription.arguments)))
    case .cancel(let consumerTag):
      try send(
        AMQP_BASIC_CANCEL_METHOD,
        amqp_basic_cancel_t(consumer_tag: bytes(consumerTag), nowait: 0))
    case .get(let queue, let noAck):
      try send(
        AMQP_BASIC_GET_METHOD,
        amqp_basic_get_t(ticket: 0, queue: bytes(queue), no_ack: noAck ? 1 : 0))
    case .settle(let settlement):
      let multiple: amqp_boolean_t = settlement.multiple ? 1 : 0
      switch settlement.kind {
      case .ack:
        try send(
          AMQP_BASIC_ACK_METHOD,
          amqp_basic_ack_t(delivery_tag: settlement.tag, multiple: multiple))
      case .requeue, .drop:
        try send(
          AMQP_BASIC_NACK_METHOD,
          amqp_basic_nack_t(
            delivery_tag: settlement.tag, multiple: multiple,
            requeue: settlement.kind == .requeue ? 1 : 0))
      }
    }
  }
}
