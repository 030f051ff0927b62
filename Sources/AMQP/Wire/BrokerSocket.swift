import CRabbitMQ
import Glibc

/// Owns one C connection: the socket, TLS, and librabbitmq's buffers. Gone with it is the
/// connection.
///
/// librabbitmq's connections are not thread-safe. This one is a stored property of the actor
/// ``Connection``, whose executor is a single thread, and is never handed out.
struct BrokerSocket: ~Copyable {
  private let state: amqp_connection_state_t
  private var encoder = FrameEncoder()

  /// The file descriptor to poll.
  var descriptor: Int32 { amqp_get_sockfd(state) }
  /// The largest frame that both sides agreed to.
  var frameMax: Int { Int(amqp_get_frame_max(state)) }
  /// The highest channel number that both sides agreed to.
  var channelMax: UInt16 { UInt16(clamping: amqp_get_channel_max(state)) }
  /// The heartbeat that both sides agreed to, in seconds; 0 is none.
  var heartbeat: Int { Int(amqp_get_heartbeat(state)) }
  /// What the broker said of itself before the log-in.
  var broker: BrokerInfo {
    guard let table = amqp_get_server_properties(state) else { return BrokerInfo(properties: [:]) }
    return BrokerInfo(properties: FieldTable(table.pointee))
  }
  /// Whether a frame can be had without reading the socket: librabbitmq has read ahead, or has put
  /// frames by while it waited for room to write.
  var hasBufferedInput: Bool { amqp_frames_enqueued(state) != 0 || amqp_data_in_buffer(state) != 0 }

  private init() throws(AMQPError) {
    guard let state = amqp_new_connection() else { throw .connect("out of memory") }
    self.state = state
  }

  deinit {
    amqp_destroy_connection(state)
  }

  /// Connects and logs in, blocking for at most twice the configuration's `connectTimeout`.
  static func open(_ configuration: ConnectionConfiguration) throws(AMQPError) -> BrokerSocket {
    try configuration.check()
    var socket = try BrokerSocket()
    try socket.connect(configuration)
    try socket.login(configuration)
    return socket
  }

  private mutating func connect(_ configuration: ConnectionConfiguration) throws(AMQPError) {
    let socket: OpaquePointer?
    if let tls = configuration.tls {
      socket = try TLSSetup(tls).makeSocket(state)
    } else {
      socket = amqp_tcp_socket_new(state)
    }
    guard let socket else { throw .connect("out of memory") }
    var timeout = timeval(configuration.connectTimeout)
    let status = amqp_socket_open_noblock(
      socket, configuration.host, Int32(configuration.port), &timeout)
    guard status == AMQP_STATUS_OK.rawValue else {
      throw .connecting(configuration, status)
    }
    let userTimeout = max(30_000, UInt32(configuration.heartbeat) * 2_000)
    guard rmq_set_user_timeout(descriptor, userTimeout) == 0 else {
      throw .connect("TCP_USER_TIMEOUT cannot be set: error \(rmq_errno())")
    }
  }

  private mutating func login(_ configuration: ConnectionConfiguration) throws(AMQPError) {
    var timeout = timeval(configuration.connectTimeout)
    amqp_set_handshake_timeout(state, &timeout)
    var properties = encoder.table(configuration.clientProperties)
    let reply =
      switch configuration.authentication {
      case .plain:
        rmq_login_plain(
          state, configuration.virtualHost, Int32(configuration.channelMax),
          Int32(configuration.frameMax), Int32(configuration.heartbeat), &properties,
          configuration.username, configuration.password)
      case .external:
        // The broker takes the user from the certificate; librabbitmq cannot send an empty identity.
        rmq_login_external(
          state, configuration.virtualHost, Int32(configuration.channelMax),
          Int32(configuration.frameMax), Int32(configuration.heartbeat), &properties, "external")
      }
    encoder.recycle()
    guard reply.reply_type == AMQP_RESPONSE_NORMAL else {
      throw .loggingIn(configuration, reply)
    }
  }

  /// The next frame that has arrived, or `nil` if none has. Never waits. Also sends a heartbeat
  /// when one is due.
  mutating func nextFrame() throws(AMQPError) -> InboundFrame? {
    while true {
      var frame = amqp_frame_t()
      var timeout = timeval()
      let status = amqp_simple_wait_frame_noblock(state, &frame, &timeout)
      if status == AMQP_STATUS_TIMEOUT.rawValue { return nil }
      guard status == AMQP_STATUS_OK.rawValue else { throw .status(status) }
      let inbound = InboundFrame(frame)
      // Between frames the library holds nothing of the channel, unless it has put frames by; it
      // checks both.
      amqp_maybe_release_buffers_on_channel(state, frame.channel)
      if let inbound { return inbound }
    }
  }

  /// Sends a message. It must have been checked: an error leaves the connection unusable.
  ///
  /// If the socket takes no more it waits, for as long as `TCP_USER_TIMEOUT` allows. Callers avoid
  /// that by polling first.
  mutating func publish(_ publication: Publication, channel: UInt16) throws(AMQPError) {
    var properties = encoder.properties(publication.message.properties)
    let exchange = encoder.bytes(publication.exchange)
    let routingKey = encoder.bytes(publication.routingKey)
    let status = publication.message.body.withUnsafeBytes { body in
      // The library only reads the body; its type has no const.
      let bytes = amqp_bytes_t(
        len: body.count, bytes: UnsafeMutableRawPointer(mutating: body.baseAddress))
      return amqp_basic_publish(
        state, channel, exchange, routingKey, publication.mandatory ? 1 : 0, 0, &properties, bytes)
    }
    encoder.recycle()
    guard status == AMQP_STATUS_OK.rawValue else { throw .status(status) }
  }

  /// Gathers small writes into full segments until ``uncork()``.
  func cork() { rmq_set_cork(descriptor, 1) }

  /// Sends what has been gathered.
  func uncork() { rmq_set_cork(descriptor, 0) }

  /// Sends any other method. What was said of ``publish(_:channel:)`` holds.
  mutating func send(_ method: OutboundMethod, channel: UInt16) throws(AMQPError) {
    let status = encode(method, channel)
    encoder.recycle()
    guard status == AMQP_STATUS_OK.rawValue else { throw .status(status) }
  }

  private func send<T: BitwiseCopyable>(_ channel: UInt16, _ id: amqp_method_number_t, _ fields: T)
    -> Int32
  {
    var fields = fields
    return amqp_send_method(state, channel, id, &fields)
  }

  private mutating func encode(_ method: OutboundMethod, _ channel: UInt16) -> Int32 {
    switch method {
    case .connectionClose:
      return send(
        channel, AMQP_CONNECTION_CLOSE_METHOD,
        amqp_connection_close_t(
          reply_code: UInt16(AMQP_REPLY_SUCCESS), reply_text: encoder.bytes("bye"), class_id: 0,
          method_id: 0))
    case .connectionCloseOk:
      return send(channel, AMQP_CONNECTION_CLOSE_OK_METHOD, amqp_connection_close_ok_t())
    case .channelOpen:
      return send(channel, AMQP_CHANNEL_OPEN_METHOD, amqp_channel_open_t())
    case .channelClose:
      return send(
        channel, AMQP_CHANNEL_CLOSE_METHOD,
        amqp_channel_close_t(
          reply_code: UInt16(AMQP_REPLY_SUCCESS), reply_text: encoder.bytes("bye"), class_id: 0,
          method_id: 0))
    case .channelCloseOk:
      return send(channel, AMQP_CHANNEL_CLOSE_OK_METHOD, amqp_channel_close_ok_t())
    case .flowOk(let active):
      return send(
        channel, AMQP_CHANNEL_FLOW_OK_METHOD, amqp_channel_flow_ok_t(active: active ? 1 : 0))
    case .confirmSelect:
      return send(channel, AMQP_CONFIRM_SELECT_METHOD, amqp_confirm_select_t(nowait: 0))
    case .exchangeDeclare(let exchange):
      return send(
        channel, AMQP_EXCHANGE_DECLARE_METHOD,
        amqp_exchange_declare_t(
          ticket: 0, exchange: encoder.bytes(exchange.name),
          type: encoder.bytes(exchange.kind.name), passive: 0, durable: exchange.durable ? 1 : 0,
          auto_delete: exchange.autoDelete ? 1 : 0, internal: exchange.internal ? 1 : 0, nowait: 0,
          arguments: encoder.table(exchange.arguments)))
    case .exchangeDelete(let name, let ifUnused):
      return send(
        channel, AMQP_EXCHANGE_DELETE_METHOD,
        amqp_exchange_delete_t(
          ticket: 0, exchange: encoder.bytes(name), if_unused: ifUnused ? 1 : 0, nowait: 0))
    case .queueDeclare(let queue):
      return send(
        channel, AMQP_QUEUE_DECLARE_METHOD,
        amqp_queue_declare_t(
          ticket: 0, queue: encoder.bytes(queue.name), passive: 0, durable: queue.durable ? 1 : 0,
          exclusive: queue.exclusive ? 1 : 0, auto_delete: queue.autoDelete ? 1 : 0, nowait: 0,
          arguments: encoder.table(queue.arguments)))
    case .queueInspect(let name):
      return send(
        channel, AMQP_QUEUE_DECLARE_METHOD,
        amqp_queue_declare_t(
          ticket: 0, queue: encoder.bytes(name), passive: 1, durable: 0, exclusive: 0,
          auto_delete: 0, nowait: 0, arguments: amqp_table_t()))
    case .queueDelete(let name, let ifUnused, let ifEmpty):
      return send(
        channel, AMQP_QUEUE_DELETE_METHOD,
        amqp_queue_delete_t(
          ticket: 0, queue: encoder.bytes(name), if_unused: ifUnused ? 1 : 0,
          if_empty: ifEmpty ? 1 : 0, nowait: 0))
    case .queuePurge(let name):
      return send(
        channel, AMQP_QUEUE_PURGE_METHOD,
        amqp_queue_purge_t(ticket: 0, queue: encoder.bytes(name), nowait: 0))
    case .bind(let binding):
      return bind(binding, channel)
    case .unbind(let binding):
      return unbind(binding, channel)
    case .qos(let prefetch):
      return send(
        channel, AMQP_BASIC_QOS_METHOD,
        amqp_basic_qos_t(prefetch_size: 0, prefetch_count: prefetch, global: 0))
    case .consume(let subscription):
      return send(
        channel, AMQP_BASIC_CONSUME_METHOD,
        amqp_basic_consume_t(
          ticket: 0, queue: encoder.bytes(subscription.queue),
          consumer_tag: encoder.bytes(subscription.consumerTag ?? ""), no_local: 0,
          no_ack: subscription.noAck ? 1 : 0, exclusive: subscription.exclusive ? 1 : 0, nowait: 0,
          arguments: encoder.table(subscription.arguments)))
    case .cancel(let consumerTag):
      return send(
        channel, AMQP_BASIC_CANCEL_METHOD,
        amqp_basic_cancel_t(consumer_tag: encoder.bytes(consumerTag), nowait: 0))
    case .settle(let settlement):
      return settle(settlement, channel)
    }
  }

  private mutating func bind(_ binding: Binding, _ channel: UInt16) -> Int32 {
    let source = encoder.bytes(binding.source)
    let key = encoder.bytes(binding.routingKey)
    let arguments = encoder.table(binding.arguments)
    switch binding.destination {
    case .queue(let name):
      return send(
        channel, AMQP_QUEUE_BIND_METHOD,
        amqp_queue_bind_t(
          ticket: 0, queue: encoder.bytes(name), exchange: source, routing_key: key, nowait: 0,
          arguments: arguments))
    case .exchange(let name):
      return send(
        channel, AMQP_EXCHANGE_BIND_METHOD,
        amqp_exchange_bind_t(
          ticket: 0, destination: encoder.bytes(name), source: source, routing_key: key, nowait: 0,
          arguments: arguments))
    }
  }

  private mutating func unbind(_ binding: Binding, _ channel: UInt16) -> Int32 {
    let source = encoder.bytes(binding.source)
    let key = encoder.bytes(binding.routingKey)
    let arguments = encoder.table(binding.arguments)
    switch binding.destination {
    case .queue(let name):
      return send(
        channel, AMQP_QUEUE_UNBIND_METHOD,
        amqp_queue_unbind_t(
          ticket: 0, queue: encoder.bytes(name), exchange: source, routing_key: key,
          arguments: arguments))
    case .exchange(let name):
      return send(
        channel, AMQP_EXCHANGE_UNBIND_METHOD,
        amqp_exchange_unbind_t(
          ticket: 0, destination: encoder.bytes(name), source: source, routing_key: key, nowait: 0,
          arguments: arguments))
    }
  }

  private mutating func settle(_ settlement: Settlement, _ channel: UInt16) -> Int32 {
    let multiple: amqp_boolean_t = settlement.multiple ? 1 : 0
    switch settlement.kind {
    case .ack:
      return amqp_basic_ack(state, channel, settlement.tag, multiple)
    case .requeue:
      return amqp_basic_nack(state, channel, settlement.tag, multiple, 1)
    case .drop:
      return amqp_basic_nack(state, channel, settlement.tag, multiple, 0)
    }
  }
}
