import Testing

@testable import AMQP

@Suite("Field tables from outside")
struct FieldScanTests {
  /// The bytes of a header property with `levels` arrays inside each other.
  static func properties(nesting levels: Int) -> [UInt8] {
    var value: [UInt8] = []
    for _ in 0..<levels {
      let length = UInt32(value.count)
      value = [UInt8(ascii: "A")] + withUnsafeBytes(of: length.bigEndian) { Array($0) } + value
    }
    let entry = [UInt8(4)] + Array("deep".utf8) + value
    let table = withUnsafeBytes(of: UInt32(entry.count).bigEndian) { Array($0) } + entry
    // Headers, delivery mode and correlation id.
    return [0x34, 0] + table + [2, 3] + Array("abc".utf8)
  }

  @Test(
    "100 levels mean 100: deeper ones are refused, and all else is there",
    arguments: [1_000, 8_000, 100])
  func tooDeep(levels: Int) {
    let properties = Self.properties(nesting: levels).withUnsafeBytes {
      MessageProperties(received: $0)
    }
    #expect(properties.headersRefused?.contains("100 levels") == true)
    #expect(properties.headers.isEmpty)
    #expect(properties.deliveryMode == .persistent)
    #expect(properties.correlationID == "abc")
    #expect("\(properties)".utf8.count < 1_000)
  }

  @Test("99 arrays inside the table are decoded")
  func deepest() {
    let properties = Self.properties(nesting: 99).withUnsafeBytes {
      MessageProperties(received: $0)
    }
    #expect(properties.headersRefused == nil)
    var depth = 0
    var value = properties.headers["deep"]
    while case .array(let inner)? = value {
      depth += 1
      value = inner.first
    }
    #expect(depth == 99)
  }

  @Test("Bytes that are cut off anywhere, or changed anywhere, are decoded or refused")
  func damaged() {
    let whole = Self.properties(nesting: 3)
    for count in 0..<whole.count {
      let properties = whole.prefix(count).withUnsafeBytes { MessageProperties(received: $0) }
      if count != 2 || whole[0] != 0 { #expect(properties.headersRefused != nil, "\(count)") }
    }
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<20_000 {
      let bytes = whole.damaged(using: &generator)
      let properties = bytes.withUnsafeBytes { MessageProperties(received: $0) }
      _ = properties.headers.encodedSize
    }
  }
}

@Suite("Cutting what comes into frames")
struct FrameReaderTests {
  private func bytes(_ frames: [(kind: UInt8, payload: [UInt8])]) -> [UInt8] {
    frames.flatMap { frame in
      [frame.kind, 0, 7] + withUnsafeBytes(of: UInt32(frame.payload.count).bigEndian) { Array($0) }
        + frame.payload + [0xCE]
    }
  }

  @Test(
    "Whole frames come out, however the bytes come in", arguments: [1, 2, 3, 7, 8, 1_000, 65_536])
  func pieces(size: Int) throws {
    let payloads = [0, 1, 8, 4_000, 70_000, 3, 131_064].map { count in
      (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 13) }
    }
    let all = bytes(payloads.map { (3, $0) })
    var reader = FrameReader(frameMax: 131_072)
    var found: [[UInt8]] = []
    var rest = all[...]
    while !rest.isEmpty {
      let room = reader.room()
      let part = Array(rest.prefix(min(size, room.count)))
      room.copyBytes(from: part)
      reader.filled(part.count)
      rest = rest.dropFirst(part.count)
      while let frame = try reader.next() {
        #expect(frame.kind == .body && frame.channel == 7)
        found.append(Array(frame.payload))
      }
    }
    #expect(found == payloads)
    let isRead = reader.isEmpty
    #expect(isRead)
  }

  @Test("An unknown kind, a size beyond the limit, a missing end are violations")
  func wrong() throws {
    func read(_ bytes: [UInt8]) throws {
      var reader = FrameReader(frameMax: 4_096)
      reader.room().copyBytes(from: bytes)
      reader.filled(bytes.count)
      while try reader.next() != nil {}
    }
    #expect(throws: AMQPError.self) { try read(Array("HTTP/1.1".utf8)) }
    #expect(throws: AMQPError.self) { try read([UInt8(ascii: "H")]) }
    #expect(throws: AMQPError.self) { try read([1, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 1]) }
    #expect(throws: AMQPError.self) { try read([8, 0, 0, 0, 0, 0, 0, 0]) }
    #expect(throws: Never.self) { try read([8, 0, 0, 0, 0, 0, 0, 0xCE]) }
  }

  @Test("Methods that are cut short or unknown are violations or said to be unknown")
  func methods() throws {
    var decoder = MethodDecoder()
    var generator = SystemRandomNumberGenerator()
    let numbers: [UInt32] = [
      60 << 16 | 60, 60 << 16 | 80, 60 << 16 | 50, 10 << 16 | 10, 10 << 16 | 50, 20 << 16 | 40,
      50 << 16 | 11, 60 << 16 | 71, 99 << 16 | 99,
    ]
    for _ in 0..<50_000 {
      let number = numbers.randomElement(using: &generator) ?? 0
      let payload =
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
        + (0..<Int.random(in: 0...40, using: &generator)).map { _ in
          UInt8.random(in: .min ... .max, using: &generator)
        }
      payload.withUnsafeBytes { bytes in
        // Either is fine; ending the process is not.
        _ = try? decoder.decode(bytes)
      }
    }
    let unknown: [UInt8] = [0, 99, 0, 99]
    let method = try unknown.withUnsafeBytes { try decoder.decode($0) }
    #expect(method == .unexpected(99 << 16 | 99))
  }

  /// A method: its number, what comes before its table, and a table with `levels` arrays inside each
  /// other.
  private func method(_ number: UInt32, _ fields: [UInt8], nesting levels: Int) -> [UInt8] {
    var method = withUnsafeBytes(of: number.bigEndian) { Array($0) }
    method += fields
    // Flags before it, a delivery mode and "abc" behind it.
    method += FieldScanTests.properties(nesting: levels).dropFirst(2).dropLast(5)
    return method
  }

  @Test("Server properties that nest too deeply are refused before librabbitmq decodes them")
  func deepServerProperties() throws {
    var decoder = MethodDecoder()
    let start: UInt32 = 10 << 16 | 10
    // PLAIN and en_US, as long strings.
    let rest: [UInt8] = ["PLAIN", "en_US"].flatMap { [0, 0, 0, 5] + Array($0.utf8) }
    let good = method(start, [0, 9], nesting: 99) + rest
    let decoded = try good.withUnsafeBytes { try decoder.decode($0) }
    guard case .start(let properties, let mechanisms) = decoded else {
      Issue.record("not connection.start: \(decoded)")
      return
    }
    #expect(properties.names == ["deep"])
    #expect(mechanisms == ["PLAIN"])
    for levels in [100, 8_000] {
      let bad = method(start, [0, 9], nesting: levels) + rest
      var refusal: AMQPError?
      do {
        _ = try bad.withUnsafeBytes { try decoder.decode($0) }
      } catch {
        refusal = error as? AMQPError
      }
      #expect(refusal?.description.contains("100 levels") == true)
    }
  }

  @Test("Methods that only a client sends are not decoded, whatever is in them")
  func methodsOfClients() throws {
    var decoder = MethodDecoder()
    let declare: UInt32 = 50 << 16 | 10
    // Ticket, name, flags.
    let deep = method(declare, [0, 0, 1, UInt8(ascii: "q"), 0], nesting: 8_000)
    let decoded = try deep.withUnsafeBytes { try decoder.decode($0) }
    #expect(decoded == .unexpected(declare))
    // exchange.declare, queue.bind, basic.consume, connection.start-ok; cut short, they are no
    // violation either.
    for number: UInt32 in [40 << 16 | 10, 50 << 16 | 20, 60 << 16 | 20, 10 << 16 | 11] {
      let short = withUnsafeBytes(of: number.bigEndian) { Array($0) }
      let decoded = try short.withUnsafeBytes { try decoder.decode($0) }
      #expect(decoded == .unexpected(number))
    }
  }
}

@Suite("Methods into frames")
struct MethodEncodingTests {
  private func consume(arguments size: Int) -> OutboundMethod {
    .consume(
      Subscription(
        queue: "q", prefetch: 1,
        arguments: ["x": .string(String(repeating: "a", count: size))]))
  }

  @Test(
    "One that is larger than a frame may be is refused, and leaves nothing",
    arguments: [4_096, 5_000, 20_000, 200_000])
  func tooLarge(size: Int) throws {
    var outbox = Outbox()
    try outbox.append(.qos(prefetch: 1), channel: 1, frameMax: 4_096)
    let before = outbox.count
    var refusal: AMQPError?
    do throws(AMQPError) {
      try outbox.append(consume(arguments: size), channel: 1, frameMax: 4_096)
    } catch {
      refusal = error
    }
    #expect(refusal?.description.contains("frame_max") == true)
    let after = outbox.count
    #expect(after == before)
  }

  @Test("The largest that a frame may be is taken")
  func largest() throws {
    var outbox = Outbox()
    try outbox.append(consume(arguments: 0), channel: 1, frameMax: 4_096)
    let overhead = outbox.count
    try outbox.append(consume(arguments: 4_096 - overhead), channel: 1, frameMax: 4_096)
    let whole = outbox.count
    #expect(whole == overhead + 4_096)
    #expect(throws: AMQPError.self) {
      var outbox = Outbox()
      try outbox.append(consume(arguments: 4_097 - overhead), channel: 1, frameMax: 4_096)
    }
  }
}

@Suite("Deliveries, one behind the other")
struct DeliveryRunTests {
  /// basic.deliver, header and body frames on channel 7.
  private static func delivery(
    _ tag: UInt64, _ body: [[UInt8]], properties: [UInt8] = [0x10, 0, 2], size: Int? = nil
  ) -> [UInt8] {
    func big(_ value: some FixedWidthInteger) -> [UInt8] {
      withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }
    func frame(_ kind: UInt8, _ payload: [UInt8]) -> [UInt8] {
      [kind, 0, 7] + big(UInt32(payload.count)) + payload + [0xCE]
    }
    let method: [UInt8] =
      [0, 60, 0, 60, 3] + Array("tag".utf8) + big(tag) + [1, 2] + Array("ex".utf8) + [3]
      + Array("key".utf8)
    let bytes = size ?? body.reduce(0) { $0 + $1.count }
    return frame(1, method) + frame(2, [0, 60, 0, 0] + big(UInt64(bytes)) + properties)
      + body.flatMap { frame(3, $0) }
  }

  private static func fill(_ reader: inout FrameReader, _ bytes: some Collection<UInt8>) {
    var rest = Array(bytes)[...]
    while !rest.isEmpty {
      let room = reader.room()
      let part = Array(rest.prefix(room.count))
      room.copyBytes(from: part)
      reader.filled(part.count)
      rest = rest.dropFirst(part.count)
    }
  }

  private static func record(noAck: Bool = false) -> ConsumerRecord {
    let record = ConsumerRecord(
      id: 1, subscription: Subscription(queue: "q", prefetch: 100, noAck: noAck))
    record.begin(channel: Channel(number: 7, role: .consumer(record)), generation: 5)
    return record
  }

  @Test("All that are whole are taken, with all that they bring")
  func whole() async throws {
    var reader = FrameReader(frameMax: 4_096)
    var decoder = MethodDecoder()
    let record = Self.record()
    let bodies: [[UInt8]] = [[1, 2, 3], [], [4]]
    var bytes = bodies.enumerated().flatMap {
      Self.delivery(UInt64($0 + 1), $1.isEmpty ? [] : [$1])
    }
    bytes += Self.delivery(4, [[9]], properties: [0x90, 0, 1, UInt8(ascii: "t"), 2])
    Self.fill(&reader, bytes + Self.delivery(5, [[5]]).dropLast())
    let count = try record.take(from: &reader, &decoder, channel: 7)
    #expect(count == 4)
    #expect(record.hasGathered && record.ledger.unsettled == 4)
    record.handOn()
    let deliveries = try #require(try await record.buffer.next())
    #expect(deliveries.map(\.message.body) == bodies + [[9]])
    #expect(deliveries.map(\.tag) == (1...4).map { DeliveryTag(generation: 5, value: $0) })
    #expect(
      deliveries.allSatisfy { $0.exchange == "ex" && $0.routingKey == "key" && $0.redelivered })
    #expect(deliveries.allSatisfy { $0.message.properties.deliveryMode == .persistent })
    #expect(deliveries.map(\.message.properties.contentType) == [nil, nil, nil, "t"])
    let rest = reader.channelOfDelivery
    #expect(rest == 7, "the fifth is not whole")
  }

  @Test("What is cut off anywhere, or wrong anywhere, is left to be read frame by frame")
  func damaged() throws {
    let whole = Self.delivery(1, [[1, 2, 3]])
    for count in 0..<whole.count {
      var reader = FrameReader(frameMax: 4_096)
      Self.fill(&reader, whole.prefix(count))
      let delivery = reader.nextDelivery(on: 7)
      #expect(delivery == nil, "\(count)")
    }
    let ends = whole.indices.filter { whole[$0] == 0xCE }
    for index in ends {
      var damaged = whole
      damaged[index] = 0
      var reader = FrameReader(frameMax: 4_096)
      Self.fill(&reader, damaged)
      #expect(reader.nextDelivery(on: 7) == nil)
      #expect(throws: AMQPError.self) { while try reader.next() != nil {} }
    }
    for other in [
      Self.delivery(1, [[1], [2]]), Self.delivery(1, [[1, 2]], size: 1),
      Self.delivery(1, [Array(repeating: 0, count: 4_090)]),
    ] {
      var reader = FrameReader(frameMax: 4_096)
      Self.fill(&reader, other)
      #expect(reader.nextDelivery(on: 7) == nil)
      #expect(reader.nextDelivery(on: 8) == nil)
      #expect(reader.channelOfDelivery == 7)
    }
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<20_000 {
      let bytes = whole.damaged(using: &generator)
      var reader = FrameReader(frameMax: 4_096)
      var decoder = MethodDecoder()
      Self.fill(&reader, bytes)
      // Either is fine; ending the process is not.
      _ = try? Self.record().take(from: &reader, &decoder, channel: 7)
    }
  }

  @Test("A number that is not the next one is a violation, unless nothing is acknowledged")
  func order() throws {
    func take(_ record: ConsumerRecord) throws -> Int {
      var reader = FrameReader(frameMax: 4_096)
      var decoder = MethodDecoder()
      Self.fill(&reader, Self.delivery(1, [[1]]) + Self.delivery(3, [[1]]))
      return try record.take(from: &reader, &decoder, channel: 7)
    }
    #expect(throws: AMQPError.self) { try take(Self.record()) }
    #expect(try take(Self.record(noAck: true)) == 2)
  }

  @Test("Properties that are the last ones again are the same; to change them changes no other's")
  func properties() {
    var decoder = MethodDecoder()
    let typed: [UInt8] = [0x80, 0, 1, UInt8(ascii: "t")]
    var first = typed.withUnsafeBytes { decoder.properties($0) }
    let second = typed.withUnsafeBytes { decoder.properties($0) }
    let other = [0x80, 0, 1, UInt8(ascii: "u")].withUnsafeBytes { decoder.properties($0) }
    let none = [UInt8](arrayLiteral: 0, 0).withUnsafeBytes { decoder.properties($0) }
    first.contentType = "changed"
    #expect(second.contentType == "t")
    #expect(other.contentType == "u")
    #expect(none == MessageProperties())
  }
}

extension [UInt8] {
  /// With one to four of its bytes changed.
  fileprivate func damaged(using generator: inout some RandomNumberGenerator) -> [UInt8] {
    var bytes = self
    for _ in 0..<Int.random(in: 1...4, using: &generator) {
      bytes[Int.random(in: bytes.indices, using: &generator)] = .random(
        in: .min ... .max, using: &generator)
    }
    return bytes
  }
}
