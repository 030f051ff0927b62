import CRabbitMQ

// The pointers here are librabbitmq's, valid until the channel's buffers are released, which
// `BrokerSocket` does after each frame. Everything is copied out before that; nothing of a pointer
// leaves this file.

extension InboundFrame {
  /// Copies what librabbitmq decoded. `nil` for a frame that means nothing to a client.
  init?(_ frame: amqp_frame_t) {
    switch Int32(frame.frame_type) {
    case AMQP_FRAME_METHOD:
      guard let decoded = frame.payload.method.decoded else { return nil }
      self.init(
        channel: frame.channel, payload: .method(InboundMethod(frame.payload.method.id, decoded)))
    case AMQP_FRAME_HEADER:
      let header = frame.payload.properties
      guard header.class_id == UInt16(AMQP_BASIC_CLASS), let decoded = header.decoded else {
        return nil
      }
      let properties = decoded.assumingMemoryBound(to: amqp_basic_properties_t.self)
      self.init(
        channel: frame.channel,
        payload: .header(size: header.body_size, MessageProperties(properties.pointee)))
    case AMQP_FRAME_BODY:
      self.init(channel: frame.channel, payload: .body([UInt8](frame.payload.body_fragment)))
    default:
      return nil
    }
  }
}

extension InboundMethod {
  init(_ id: amqp_method_number_t, _ decoded: UnsafeMutableRawPointer) {
    func fields<T>(_ type: T.Type) -> T { decoded.assumingMemoryBound(to: type).pointee }
    switch id {
    case AMQP_BASIC_DELIVER_METHOD:
      let method = fields(amqp_basic_deliver_t.self)
      self = .content(
        .delivery(
          tag: method.delivery_tag, redelivered: method.redelivered != 0,
          exchange: String(method.exchange), routingKey: String(method.routing_key)))
    case AMQP_BASIC_ACK_METHOD:
      let method = fields(amqp_basic_ack_t.self)
      self = .confirm(tag: method.delivery_tag, multiple: method.multiple != 0, ack: true)
    case AMQP_BASIC_NACK_METHOD:
      let method = fields(amqp_basic_nack_t.self)
      self = .confirm(tag: method.delivery_tag, multiple: method.multiple != 0, ack: false)
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

extension MessageProperties {
  init(_ c: amqp_basic_properties_t) {
    func text(_ flag: Int32, _ bytes: amqp_bytes_t) -> String? {
      c._flags & amqp_flags_t(flag) == 0 ? nil : String(bytes)
    }
    func has(_ flag: Int32) -> Bool { c._flags & amqp_flags_t(flag) != 0 }
    self.init(
      contentType: text(AMQP_BASIC_CONTENT_TYPE_FLAG, c.content_type),
      contentEncoding: text(AMQP_BASIC_CONTENT_ENCODING_FLAG, c.content_encoding),
      headers: has(AMQP_BASIC_HEADERS_FLAG) ? FieldTable(c.headers) : [:],
      deliveryMode: has(AMQP_BASIC_DELIVERY_MODE_FLAG)
        ? DeliveryMode(rawValue: c.delivery_mode) : nil,
      priority: has(AMQP_BASIC_PRIORITY_FLAG) ? c.priority : nil,
      correlationID: text(AMQP_BASIC_CORRELATION_ID_FLAG, c.correlation_id),
      replyTo: text(AMQP_BASIC_REPLY_TO_FLAG, c.reply_to),
      expiration: text(AMQP_BASIC_EXPIRATION_FLAG, c.expiration),
      messageID: text(AMQP_BASIC_MESSAGE_ID_FLAG, c.message_id),
      timestamp: has(AMQP_BASIC_TIMESTAMP_FLAG) ? c.timestamp : nil,
      type: text(AMQP_BASIC_TYPE_FLAG, c.type),
      userID: text(AMQP_BASIC_USER_ID_FLAG, c.user_id),
      appID: text(AMQP_BASIC_APP_ID_FLAG, c.app_id))
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
