import CRabbitMQ
import Glibc
import Logging

/// An address of a broker, as the kernel takes it.
struct SocketAddress: Sendable, Equatable {
  var bytes: [UInt8]
  var family: Int32
  /// Numbers, for messages.
  var text: String

  /// The addresses of a name: asks the name servers, and blocks meanwhile, unless `onlyNumbers`.
  static func resolve(
    _ host: String, port: UInt16, onlyNumbers: Bool
  ) -> Result<[SocketAddress], AMQPError> {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_NUMERICSERV | (onlyNumbers ? AI_NUMERICHOST : 0)
    var list: UnsafeMutablePointer<addrinfo>?
    let status = getaddrinfo(host, String(port), &hints, &list)
    guard status == 0 else {
      return .failure(
        .connect("the name \(host) does not resolve: \(String(cString: gai_strerror(status)))"))
    }
    defer { freeaddrinfo(list) }
    var addresses: [SocketAddress] = []
    var next = list
    while let info = next?.pointee {
      next = info.ai_next
      guard let address = info.ai_addr else { continue }
      var name = [CChar](repeating: 0, count: Int(NI_MAXHOST))
      _ = getnameinfo(
        address, info.ai_addrlen, &name, socklen_t(name.count), nil, 0, NI_NUMERICHOST)
      addresses.append(
        SocketAddress(
          bytes: [UInt8](UnsafeRawBufferPointer(start: address, count: Int(info.ai_addrlen))),
          family: info.ai_family,
          text: String(
            decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        ))
    }
    return .success(addresses)
  }
}

/// Someone who waits for a socket, or for a name's addresses, while connecting. Belongs to the
/// connection's actor.
struct DialWait {
  var id: UInt64
  /// `nil` when it waits for addresses.
  var descriptor: Int32?
  var isForOutput = false
  var deadline: Deadline?
  var resume: (Result<[SocketAddress], AMQPError>) -> Void
}

/// What came of the addresses that were tried last.
struct DialCount {
  var tried = 0
  var refused = 0

  /// Whether nobody listens at any of them.
  var isRefused: Bool { tried > 0 && refused == tried }
}

extension Connection {
  /// Makes a connection: tries each host, each of its addresses, and logs in. Throws the error of
  /// the attempt that got furthest.
  func dial() async throws(AMQPError) -> Session {
    let hosts = configuration.hosts
    dialCount = DialCount()
    var best: AMQPError?
    for offset in hosts.indices {
      let index = (firstHost + offset) % hosts.count
      do throws(AMQPError) {
        let session = try await dial(hosts[index])
        firstHost = index
        return session
      } catch {
        if offset + 1 < hosts.count {
          logger.debug("Trying the next host", metadata: ["error": "\(error)"])
        }
        if error.closeness >= best?.closeness ?? 0 { best = error }
        guard !isStopping else { break }
      }
    }
    throw best ?? .connect("no host is given")
  }

  private func dial(_ host: BrokerHost) async throws(AMQPError) -> Session {
    var best: AMQPError?
    for address in try await addresses(of: host) {
      do throws(AMQPError) {
        return try await dial(host, address)
      } catch {
        if error.closeness >= best?.closeness ?? 0 { best = error }
        guard !isStopping else { break }
      }
    }
    throw best ?? .connect("\(configuration.endpoint(host)): the name has no address")
  }

  private func addresses(of host: BrokerHost) async throws(AMQPError) -> [SocketAddress] {
    if case .success(let addresses) = SocketAddress.resolve(
      host.name, port: host.port, onlyNumbers: true)
    {
      return addresses
    }
    let endpoint = configuration.endpoint(host)
    let timeout = configuration.connectTimeout
    // Until there are addresses, the name is one that fails.
    dialCount.tried += 1
    let result = await dialWait(
      nil, until: .now + timeout,
      orElse: .connect("\(endpoint): the name \(host.name) does not resolve within \(timeout)")
    ) { id in
      // The name servers may take long, and cannot be asked without blocking.
      let status = OSThread.start { [weak self] in
        let result = SocketAddress.resolve(host.name, port: host.port, onlyNumbers: false)
        self?.perform { $0.endDialWait(id, result) }
      }
      guard status != 0 else { return }
      endDialWait(
        id,
        .failure(
          .connect(
            "\(endpoint): no thread to resolve the name: \(String(cString: strerror(status)))")))
    }
    do throws(AMQPError) {
      let addresses = try result.get()
      dialCount.tried -= 1
      return addresses
    } catch {
      if case .connect(let why) = error, !why.hasPrefix(endpoint) {
        throw .connect("\(endpoint): \(why)")
      }
      throw error
    }
  }

  private func dial(
    _ host: BrokerHost, _ address: SocketAddress
  ) async throws(AMQPError) -> Session {
    let endpoint = configuration.endpoint(host)
    dialCount.tried += 1
    let silent = AMQPError.connect(
      "\(endpoint): no answer from \(address.text) within \(configuration.connectTimeout)")
    let end = ContinuousClock.now + configuration.connectTimeout
    let descriptor = rmq_tcp_socket(address.family)
    guard descriptor >= 0 else {
      throw .connect("\(endpoint): no socket: \(String(cString: strerror(rmq_errno())))")
    }
    var transport: Transport
    if let tls = configuration.tls {
      let client = TLSClient(tls: tls, host: host.name, endpoint: endpoint)
      do throws(AMQPError) {
        transport = Transport(
          descriptor: descriptor, tls: try client.makeSession(over: descriptor))
      } catch {
        close(descriptor)
        throw error
      }
      try await reach(address, transport.descriptor, endpoint, until: end, orElse: silent)
      handshaking: while true {
        switch try transport.handshake(client) {
        case .done: break handshaking
        case .input:
          try await wait(transport.descriptor, forOutput: false, until: end, orElse: silent)
        case .output:
          try await wait(transport.descriptor, forOutput: true, until: end, orElse: silent)
        }
      }
    } else {
      transport = Transport(descriptor: descriptor)
      try await reach(address, transport.descriptor, endpoint, until: end, orElse: silent)
    }
    return try await login(transport, endpoint)
  }

  private func reach(
    _ address: SocketAddress, _ descriptor: Int32, _ endpoint: String,
    until end: ContinuousClock.Instant, orElse silent: AMQPError
  ) async throws(AMQPError) {
    rmq_set_nodelay(descriptor)
    let status = address.bytes.withUnsafeBytes { bytes in
      connect(
        descriptor, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self),
        socklen_t(bytes.count))
    }
    if status != 0 {
      guard errno == EINPROGRESS else { throw unreachable(endpoint, address, errno) }
      try await wait(descriptor, forOutput: true, until: end, orElse: silent)
      let error = rmq_socket_error(descriptor)
      guard error == 0 else { throw unreachable(endpoint, address, error) }
    }
  }

  private func unreachable(
    _ endpoint: String, _ address: SocketAddress, _ error: Int32
  ) -> AMQPError {
    if error == ECONNREFUSED { dialCount.refused += 1 }
    return .connect(
      "\(endpoint): \(address.text) refused or unreachable "
        + "(\(String(cString: strerror(error)))); is a broker listening there?")
  }

  private func login(
    _ transport: consuming Transport, _ endpoint: String
  ) async throws(AMQPError) -> Session {
    let end = ContinuousClock.now + configuration.connectTimeout
    let proof: LoginMachine.Proof
    switch configuration.authentication {
    case .plain:
      let credentials = try await currentCredentials(within: configuration.connectTimeout)
      try credentials.check()
      proof = .plain(credentials)
    case .external: proof = .external
    }
    var login = LoginMachine(configuration, proof: proof)
    var reader = FrameReader(frameMax: login.limits.frameMax)
    var outbox = Outbox()
    var decoder = MethodDecoder()
    do throws(AMQPError) {
      var action = login.connected()
      while case .send(let methods) = action {
        for method in methods {
          try outbox.append(method, channel: 0, frameMax: login.limits.frameMax)
        }
        try outbox.flush(to: &transport)
        while outbox.isStalled {
          try await wait(
            transport.descriptor, forOutput: true, until: end, orElse: .timeout("log-in"))
          outbox.unstall()
          try outbox.flush(to: &transport)
        }
        var answer: InboundMethod?
        while answer == nil {
          if let frame = try reader.next() {
            guard frame.kind != .heartbeat else { continue }
            guard frame.kind == .method, frame.channel == 0 else {
              throw .protocolViolation("a frame on channel \(frame.channel) before the log-in")
            }
            answer = try decoder.decode(frame.payload)
          } else if let count = try transport.receive(into: reader.room()) {
            reader.filled(count)
          } else {
            try await wait(
              transport.descriptor, forOutput: transport.readNeedsOutput, until: end,
              orElse: .timeout("log-in"))
          }
        }
        if let answer { action = try login.received(answer) }
      }
    } catch {
      throw login.failure(error, at: endpoint)
    }
    generation += 1
    return Session(
      number: generation, transport: transport, reader: reader, broker: login.broker,
      limits: login.limits, configuration: configuration, timers: timers, logger: logger)
  }

  // MARK: Waiting

  private func wait(
    _ descriptor: Int32, forOutput: Bool, until end: ContinuousClock.Instant,
    orElse late: AMQPError
  ) async throws(AMQPError) {
    _ = try await dialWait(descriptor, forOutput: forOutput, until: end, orElse: late).get()
  }

  private func dialWait(
    _ descriptor: Int32?, forOutput: Bool = false, until end: ContinuousClock.Instant,
    orElse late: AMQPError, begin: (_ id: UInt64) -> Void = { _ in }
  ) async -> Result<[SocketAddress], AMQPError> {
    guard !isStopping else { return .failure(.closed("stopped while connecting")) }
    let id = nextNumber()
    return await withCheckedContinuation { continuation in
      dialing = DialWait(
        id: id, descriptor: descriptor, isForOutput: forOutput,
        deadline: timers.schedule(after: end - .now) { self.endDialWait(id, .failure(late)) },
        resume: { continuation.resume(returning: $0) })
      begin(id)
    }
  }

  func endDialWait(_ id: UInt64, _ result: Result<[SocketAddress], AMQPError>) {
    guard let wait = dialing, wait.id == id else { return }
    dialing = nil
    wait.deadline?.cancel()
    wait.resume(result)
  }
}

extension AMQPError {
  /// How close to a connection an attempt came that failed with this.
  fileprivate var closeness: Int {
    switch self {
    case .login: 3
    case .tls: 2
    default: 1
    }
  }
}
