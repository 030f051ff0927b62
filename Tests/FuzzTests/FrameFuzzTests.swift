import TestSupport
import Testing

@testable import AMQP

/// What comes from the broker's side of a connection.
extension DecoderFuzzTests {
  @Test("AMQP frames: methods, properties, headers and bodies")
  func frames() throws {
    try Fuzzer(
      name: "frames", tokens: FrameFuzz.tokens,
      nests: [("A\0\0\u{1}\0", ""), ("\u{1}aF\0\0\u{1}\0", "")],
      make: { _, generator in generator.chance(4) ? nil : FrameFuzz.frames(&generator) }
    ).run { input, generator in
      var reader = FrameReader(frameMax: 131_072)
      var receiver = FrameFuzz.Receiver()
      var rest = input[...]
      while !rest.isEmpty {
        // In pieces of any size, as a socket gives them.
        let room = reader.room()
        let most = generator.pick([1, 30, 70_000])
        let piece = Array(rest.prefix(min(room.count, 1 + generator.below(most))))
        room.copyBytes(from: piece)
        reader.filled(piece.count)
        rest = rest.dropFirst(piece.count)
        while true {
          let next: Frame?
          do throws(AMQPError) {
            next = try reader.next()
          } catch {
            // The connection ends.
            return try checkBounded(error)
          }
          guard let frame = next else { break }
          try receiver.take(frame)
        }
      }
    }
  }
}

/// Frames that are right in their outer parts, with lying lengths and deep values inside.
enum FrameFuzz {
  /// Beginnings of frames and of contents, and kinds of values.
  static let tokens = [
    "\u{1}\0\u{1}", "\u{2}\0\u{1}", "\u{3}\0\u{1}", "\0<\0<", "\0<\0P", "A", "F", "S", "t",
  ]

  /// Does with frames what a connection does, for one channel.
  struct Receiver: ~Copyable {
    private var decoder = MethodDecoder()
    private var assembler = ContentAssembler()

    /// Throws a ``Finding`` only: a violation that ends a channel in earnest begins a new message.
    mutating func take(_ frame: Frame) throws {
      let content: Content?
      do throws(AMQPError) {
        content = try receive(frame)
      } catch {
        assembler = ContentAssembler()
        return try checkBounded(error)
      }
      if let content { try Self.check(content.message.properties) }
      // Tables are looked through wherever they are; this is one as good as any.
      var scan = FieldScan(frame.payload)
      do throws(FieldScan.Refusal) {
        guard try scan.table() <= frame.payload.count else { throw .malformed }
      } catch {
        guard scan.position <= frame.payload.count else { throw Finding("a table without an end") }
      }
    }

    private mutating func receive(_ frame: Frame) throws(AMQPError) -> Content? {
      switch frame.kind {
      case .method:
        if case .content(let subject) = try decoder.decode(frame.payload) {
          try assembler.begin(subject)
        }
        return nil
      case .header:
        guard frame.payload.count >= 14 else {
          throw .protocolViolation("a content header that is cut short")
        }
        return try assembler.header(
          size: UInt64(bigEndian: frame.payload.loadUnaligned(fromByteOffset: 4, as: UInt64.self)),
          properties: MessageProperties(
            received: UnsafeRawBufferPointer(rebasing: frame.payload[12...])))
      case .body: return try assembler.body(frame.payload)
      case .heartbeat: return nil
      }
    }

    private static func check(_ properties: MessageProperties) throws {
      // Shown in logs and errors.
      let text = "\(properties)"
      guard text.utf8.count < 16 << 10 else {
        throw Finding("properties that are shown in \(text.utf8.count) bytes")
      }
      guard properties.headersRefused == nil || properties.headers.isEmpty else {
        throw Finding("headers that were refused, and are there")
      }
      guard properties.headers.depth(atMost: FieldScan.maximumDepth) else {
        throw Finding("headers that are nested too deeply")
      }
    }
  }

  static func frames(_ generator: inout SeededGenerator) -> [UInt8] {
    var frames: [UInt8] = []
    for _ in 0..<1 + generator.below(4) { frames += someFrame(&generator) }
    return frames
  }

  private static func someFrame(_ generator: inout SeededGenerator) -> [UInt8] {
    switch generator.below(6) {
    case 0: return frame(1, method(&generator), &generator)
    case 1: return frame(1, delivery(&generator), &generator)
    case 2, 3: return frame(2, header(size: generator.below(1_000), &generator), &generator)
    case 4: return frame(3, noise(&generator, 400), &generator)
    default:
      // A message that is whole.
      let body = noise(&generator, 400)
      var frames = frame(1, delivery(&generator), &generator)
      frames += frame(2, header(size: body.count, &generator), &generator)
      frames += frame(3, body, &generator)
      return frames
    }
  }

  /// A frame, of which now and then the size or the end is wrong.
  private static func frame(
    _ kind: UInt8, _ payload: [UInt8], _ generator: inout SeededGenerator
  ) -> [UInt8] {
    var size = payload.count
    if generator.chance(20) { size = generator.pick([0, 1 << 31, 0xFFFF_FFFF, 131_065]) }
    var frame: [UInt8] = [kind, 0, UInt8(generator.below(3))]
    frame += number(size, 4)
    frame += payload
    frame.append(generator.chance(30) ? 0 : 0xCE)
    return frame
  }

  /// Class and number of methods of the broker, and of some that only a client sends.
  private static let methods: [(Int, Int)] = [
    (10, 10), (10, 20), (10, 30), (10, 41), (10, 50), (10, 60), (10, 71), (20, 20), (20, 40),
    (40, 10), (50, 10), (50, 11), (50, 20), (60, 20), (60, 21), (60, 30), (60, 50), (60, 60),
    (60, 71), (60, 80), (60, 120), (85, 11), (90, 11),
  ]

  private static func method(_ generator: inout SeededGenerator) -> [UInt8] {
    let (family, member) = generator.pick(methods)
    var method = number(family, 2)
    method += number(member, 2)
    if member == 10, generator.chance(2) {
      // connection.start: a version, then the table.
      method += [0, 9]
    } else {
      method += noise(&generator, 40)
    }
    if generator.chance(2) {
      method += generator.chance(4) ? deep(&generator) : table(&generator, levels: 4)
      method += noise(&generator, 20)
    }
    return method
  }

  private static func delivery(_ generator: inout SeededGenerator) -> [UInt8] {
    // basic.deliver: consumer tag, delivery tag, redelivered, exchange, routing key.
    var method = number(60 << 16 | 60, 4)
    method += short(&generator)
    method += number(1, 8)
    method.append(0)
    method += short(&generator)
    method += short(&generator)
    return method
  }

  private static func header(size: Int, _ generator: inout SeededGenerator) -> [UInt8] {
    // Any properties, or headers with the two before them.
    let flags = generator.chance(3) ? generator.below(65_536) : 0x2000 | generator.below(4) << 14
    var header = number(60 << 16, 4)
    header += number(size, 8)
    header += number(flags, 2)
    if flags & 0x8000 != 0 { header += short(&generator) }
    if flags & 0x4000 != 0 { header += short(&generator) }
    header += generator.chance(6) ? deep(&generator) : table(&generator, levels: 6)
    header += noise(&generator, 30)
    return header
  }

  /// In network order.
  private static func number(_ value: Int, _ width: Int) -> [UInt8] {
    (0..<width).map { UInt8(truncatingIfNeeded: value >> ((width - 1 - $0) * 8)) }
  }

  private static func noise(_ generator: inout SeededGenerator, _ most: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    for _ in 0..<generator.below(most) { bytes.append(UInt8(generator.below(256))) }
    return bytes
  }

  private static func short(_ generator: inout SeededGenerator) -> [UInt8] {
    let most = generator.pick([4, 255])
    let text = noise(&generator, most)
    let length = generator.chance(15) ? 255 : text.count
    return [UInt8(length)] + text
  }

  /// A length, which now and then is not that of what follows.
  private static func long(_ content: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
    var length = content.count
    if generator.chance(15) {
      length = generator.pick([
        0, length + 1, max(0, length - 1), 0xFFFF_FFFF, 0x7FFF_FFFF, 1 << 20,
      ])
    }
    return number(length, 4) + content
  }

  private static func table(_ generator: inout SeededGenerator, levels: Int) -> [UInt8] {
    var entries: [UInt8] = []
    for _ in 0..<generator.below(4) {
      entries += short(&generator)
      entries += value(&generator, levels: levels - 1)
    }
    return long(entries, &generator)
  }

  /// How many bytes the values have whose kind says it.
  private static let widths: [Character: Int] = [
    "t": 1, "b": 1, "B": 1, "s": 2, "u": 2, "I": 4, "i": 4, "f": 4, "l": 8, "L": 8, "d": 8, "T": 8,
    "D": 5, "V": 0,
  ]

  private static func value(_ generator: inout SeededGenerator, levels: Int) -> [UInt8] {
    // '?' is no kind.
    let kind = generator.pick(Array("tbBsuIilLfdDTVSxAF?"))
    var value = Array(String(kind).utf8)
    switch kind {
    case "S", "x": value += long(noise(&generator, 300), &generator)
    case "A" where levels > 0:
      var values: [UInt8] = []
      for _ in 0..<generator.below(4) {
        values += self.value(&generator, levels: levels - 1)
      }
      value += long(values, &generator)
    case "F" where levels > 0: value += table(&generator, levels: levels)
    default:
      for _ in 0..<widths[kind, default: 3] { value.append(UInt8(generator.below(256))) }
    }
    return value
  }

  /// A table that nests to the limit, beyond it, or far beyond it.
  private static func deep(_ generator: inout SeededGenerator) -> [UInt8] {
    let levels = generator.pick([98, 99, 100, 101, 1_000, 8_000])
    // From the outside in: each array takes five bytes, and the value inside them one.
    var arrays: [UInt8] = []
    for level in 0..<levels {
      arrays.append(UInt8(ascii: "A"))
      arrays += number((levels - 1 - level) * 5 + 1, 4)
    }
    arrays.append(UInt8(ascii: "V"))
    return long([1, UInt8(ascii: "a")] + arrays, &generator)
  }
}
