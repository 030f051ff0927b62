import Testing

@testable import AMQP

@Suite("Logging in, without a socket")
struct LoginMachineTests {
  private let start = InboundMethod.start(
    properties: ["product": "RabbitMQ", "version": "3.10.8"], mechanisms: ["PLAIN", "EXTERNAL"])

  private func machine(
    _ proof: LoginMachine.Proof = .plain(Credentials(username: "u", password: "p")),
    change: (inout ConnectionConfiguration) -> Void = { _ in }
  ) -> LoginMachine {
    var configuration = ConnectionConfiguration(virtualHost: "v")
    change(&configuration)
    return LoginMachine(configuration, proof: proof)
  }

  private func tuned(
    _ method: InboundMethod, change: (inout ConnectionConfiguration) -> Void = { _ in }
  ) throws -> ConnectionLimits {
    var login = machine(change: change)
    _ = login.connected()
    _ = try login.received(start)
    _ = try login.received(method)
    return login.limits
  }

  @Test("Header, start-ok, tune-ok with open, and it is done")
  func whole() throws {
    var login = machine { $0.heartbeat = 10 }
    #expect(login.connected() == .send([.protocolHeader]))
    guard case .send(let methods) = try login.received(start),
      case .startOk(let properties, "PLAIN", let response)? = methods.first
    else {
      Issue.record("no start-ok")
      return
    }
    #expect(response == [0, UInt8(ascii: "u"), 0, UInt8(ascii: "p")])
    #expect(properties["product"] == "Warren")
    #expect(login.broker.version == .init(3, 10, 8))
    let limits = ConnectionLimits(channelMax: 2_047, frameMax: 131_072, heartbeat: 10)
    #expect(
      try login.received(.tune(channelMax: 2_047, frameMax: 131_072, heartbeat: 60))
        == .send([.tuneOk(limits), .connectionOpen(virtualHost: "v")]))
    #expect(try login.received(.connectionOpenOk) == .done)
  }

  @Test("Of two limits the smaller holds, 0 is none")
  func limits() throws {
    let limits = try tuned(.tune(channelMax: 0, frameMax: 0, heartbeat: 0)) {
      $0.channelMax = 10
      $0.frameMax = 8_192
    }
    #expect(limits == ConnectionLimits(channelMax: 10, frameMax: 8_192, heartbeat: 30))
    let none = try tuned(.tune(channelMax: 7, frameMax: 4_096, heartbeat: 60)) { $0.heartbeat = 0 }
    #expect(none == ConnectionLimits(channelMax: 7, frameMax: 4_096, heartbeat: 0))
    #expect(throws: AMQPError.self) {
      try tuned(.tune(channelMax: 2, frameMax: 131_072, heartbeat: 60))
    }
    #expect(throws: AMQPError.self) {
      try tuned(.tune(channelMax: 0, frameMax: 1_024, heartbeat: 60))
    }
  }

  @Test("A refusal at any step is the broker's own")
  func refused() throws {
    var login = machine()
    _ = login.connected()
    _ = try login.received(start)
    #expect(throws: AMQPError.login(code: 403, text: "no")) {
      try login.received(.connectionClose(code: 403, text: "no"))
    }
    var external = machine(.external)
    _ = external.connected()
    let error = #expect(throws: AMQPError.self) {
      try external.received(.start(properties: [:], mechanisms: ["PLAIN"]))
    }
    #expect(error?.description.contains("EXTERNAL") == true)
  }

  @Test("What does not belong is a violation")
  func wrong() throws {
    var login = machine()
    _ = login.connected()
    #expect(throws: AMQPError.self) { try login.received(.connectionOpenOk) }
    _ = try login.received(start)
    #expect(throws: AMQPError.self) { try login.received(start) }
    #expect(throws: AMQPError.self) { try login.received(.secure) }
  }
}

@Suite("Heartbeats, without a clock")
struct LivenessTests {
  private let start = ContinuousClock.now

  @Test("A heartbeat is sent when nothing else was for half the interval")
  func sending() {
    var liveness = Liveness(seconds: 10, now: start)
    #expect(liveness.check(start + .seconds(4), hasOutput: false) == .fine)
    #expect(liveness.check(start + .seconds(5), hasOutput: false) == .sendHeartbeat)
    liveness.received(start + .seconds(9))
    liveness.sent(start + .seconds(9))
    #expect(liveness.check(start + .seconds(13), hasOutput: false) == .fine)
    #expect(liveness.next == start + .seconds(14))
  }

  @Test("A peer that does not read is not blamed for what waits to be sent")
  func fullSocket() {
    var liveness = Liveness(seconds: 10, now: start)
    for second in 1...3_600 {
      let now = start + .seconds(second)
      if second % 5 == 0 { liveness.received(now) }
      #expect(liveness.check(now, hasOutput: true) == .fine)
    }
  }

  @Test("A peer of which nothing comes is dead after twice the interval")
  func dead() {
    var liveness = Liveness(seconds: 10, now: start)
    #expect(
      liveness.check(start + .seconds(20), hasOutput: false) == .dead(silence: .seconds(20)))
  }

  @Test("An interval of 0 is none")
  func none() {
    var liveness = Liveness(seconds: 0, now: start)
    #expect(liveness.next == nil)
    #expect(liveness.check(start + .seconds(1_000_000), hasOutput: false) == .fine)
  }
}

@Suite("A channel's life, without a socket")
struct ChannelLifeTests {
  private func next(_ life: inout ChannelLife<Int>) -> (Int, Int?)? {
    life.answered(skip: { $0 < 0 })
  }

  @Test("One call at a time, in order; those that nobody waits for are left out")
  func calls() {
    var life = ChannelLife<Int>()
    #expect(life.ask(1) == 1)
    #expect(life.ask(2) == nil)
    #expect(life.ask(-3) == nil)
    #expect(life.ask(4) == nil)
    #expect(next(&life).map { [$0.0, $0.1 ?? 0] } == [1, 2])
    #expect(next(&life).map { [$0.0, $0.1 ?? 0] } == [2, 4])
    #expect(next(&life).map { [$0.0, $0.1 ?? 0] } == [4, 0])
    #expect(next(&life) == nil, "an answer to nothing")
  }

  @Test("Closing gives back what gets no answer, and takes nothing new")
  func closing() {
    var life = ChannelLife<Int>()
    _ = life.ask(1)
    _ = life.ask(2)
    #expect(life.close() == [1, 2])
    #expect(life.phase == .closing)
    #expect(life.ask(3) == nil)
    #expect(life.close() == nil, "once")
    #expect(life.closed() == [])
    #expect(life.phase == .closed)
  }

  @Test("Closed by the broker, it gives back what gets no answer")
  func lost() {
    var life = ChannelLife<Int>()
    _ = life.ask(1)
    _ = life.ask(2)
    #expect(life.closed() == [1, 2])
  }
}

@Suite("A connection's life, without a socket")
struct ConnectionLifeTests {
  @Test("From start over a loss to the end")
  func whole() {
    var life = ConnectionLife()
    #expect(life.run() == true)
    #expect(life.run() == false)
    life.connected()
    #expect(life.phase == .recovering)
    #expect(life.recovered() == true)
    #expect(life.phase == .ready)
    life.lost()
    #expect(life.failed(limit: 1) == .retry, "once ready, it tries for ever")
    #expect(life.phase == .connecting)
    life.connected()
    life.lost()
    #expect(life.recovered() == false, "lost while recovering")
    life.connected()
    #expect(life.recovered() == true)
    #expect(life.stop() == true)
    #expect(life.stop() == false)
    #expect(life.close() == true, "there is a broker to say good-bye to")
    life.lost()
    #expect(life.phase == .closing && life.isOver)
    life.end()
    #expect(life.phase == .ended)
  }

  @Test("The first attempts are counted")
  func attempts() {
    var life = ConnectionLife()
    _ = life.run()
    #expect(life.failed(limit: 2) == .retry)
    #expect(life.failed(limit: 2) == .giveUp)
    var patient = ConnectionLife()
    _ = patient.run()
    for _ in 0..<1_000 { #expect(patient.failed(limit: nil) == .retry) }
    _ = patient.stop()
    #expect(patient.failed(limit: nil) == .stop)
    #expect(patient.close() == false)
  }
}

@Suite("Letting input gather, without a clock")
struct GatheringTests {
  private let start = ContinuousClock.now

  @Test("Only while much comes in little pieces, for a millisecond at a time")
  func stream() {
    var gathering = Gathering()
    for number in 0..<(Gathering.least - 1) {
      gathering.received(1, bytes: 300, at: start + .microseconds(number))
      #expect(gathering.end == nil)
    }
    gathering.received(1, bytes: 300, at: start + .microseconds(900))
    let end = start + .microseconds(900) + Gathering.time
    #expect(gathering.end == end)
    #expect(gathering.isOver(end - .nanoseconds(1)) == false)
    #expect(gathering.isOver(end) == true)
    #expect(gathering.end == nil)
    #expect(gathering.isOver(end) == false, "once")
    gathering.received(Gathering.least, bytes: 3_000, at: end)
    #expect(gathering.end == end + Gathering.time, "as long as the stream lasts")
  }

  @Test("Not for what comes slowly, nor for what is no delivery, nor for what is much anyway")
  func slow() {
    var gathering = Gathering()
    for number in 0..<100 { gathering.received(1, bytes: 300, at: start + .milliseconds(number)) }
    gathering.received(0, bytes: 10_000, at: start + .seconds(1))
    gathering.received(100, bytes: Gathering.enoughBytes, at: start + .seconds(2))
    #expect(gathering.end == nil)
  }

  @Test("Who is short of credit is not kept waiting: the broker waits, too")
  func credit() throws {
    let record = ConsumerRecord(id: 1, subscription: Subscription(queue: "q", prefetch: 10))
    #expect(record.hasCredit)
    for tag in UInt64(1)...6 {
      #expect(record.hasCredit)
      try record.deliver(Message(), tag: tag, redelivered: false, exchange: "", routingKey: "")
    }
    #expect(!record.hasCredit)
    let unlimited = ConsumerRecord(id: 1, subscription: Subscription(queue: "q", prefetch: 0))
    for tag in UInt64(1)...6 {
      try unlimited.deliver(Message(), tag: tag, redelivered: false, exchange: "", routingKey: "")
    }
    #expect(unlimited.hasCredit)
  }
}
