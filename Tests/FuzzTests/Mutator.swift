import TestSupport

/// Makes new inputs out of known ones.
struct Mutator {
  /// What the format is made of: tokens to put in.
  var tokens: [[UInt8]]
  /// Pairs that open and close a level, for nesting deeply.
  var nests: [(open: [UInt8], close: [UInt8])]
  let corpus: [[UInt8]]
  /// The longest input.
  let limit: Int

  init(
    corpus: [[UInt8]], tokens: [String], nests: [(String, String)] = [], limit: Int = 64 << 10
  ) {
    self.corpus = corpus
    self.tokens = tokens.map { Array($0.utf8) } + Self.hostile
    self.nests = nests.map { (Array($0.0.utf8), Array($0.1.utf8)) }
    self.limit = limit
  }

  /// Truncated and overlong UTF-8, surrogates, a byte order mark, control characters.
  private static let hostile: [[UInt8]] = [
    [0xC3], [0xE2, 0x82], [0xF0, 0x9F, 0x92], [0xED, 0xA0, 0x80], [0xC0, 0x80], [0xFF],
    [0xF4, 0x90, 0x80, 0x80], [0xEF, 0xBB, 0xBF], [0], [0x1B, 0x5B], [0x7F], [0x0D],
    [0xE2, 0x80, 0xAE], [0xF0, 0x9F, 0x90, 0x88, 0xE2, 0x80, 0x8D, 0xE2, 0xAC, 0x9B],
  ]
  /// Where lengths and counts go wrong.
  private static let numbers: [UInt64] = [
    0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF,
    0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, .max,
  ]

  func mutated(_ generator: inout SeededGenerator) -> [UInt8] {
    var bytes = corpus.isEmpty ? [] : generator.pick(corpus)
    // Mostly few changes: what is nearly right gets furthest.
    for _ in 0..<generator.pick([1, 1, 1, 2, 3, 5, 8]) { change(&bytes, &generator) }
    return Array(bytes.prefix(limit))
  }

  private func change(_ bytes: inout [UInt8], _ generator: inout SeededGenerator) {
    let place = generator.below(bytes.count + 1)
    switch generator.below(12) {
    case 0 where !bytes.isEmpty:
      bytes[generator.below(bytes.count)] ^= 1 << UInt8(generator.below(8))
    case 1 where !bytes.isEmpty:
      bytes[generator.below(bytes.count)] = UInt8(generator.below(256))
    case 2: bytes.insert(contentsOf: generator.pick(tokens), at: place)
    case 3:
      let end = min(bytes.count, place + 1 + generator.below(16))
      bytes.replaceSubrange(place..<end, with: generator.pick(tokens))
    case 4:
      let end = min(bytes.count, place + 1 + generator.below(generator.chance(4) ? 1_000 : 8))
      bytes.removeSubrange(place..<end)
    case 5: bytes.removeLast(bytes.count - place)
    case 6:
      // A part again, once or very often.
      let end = min(bytes.count, place + 1 + generator.below(64))
      guard place < end else { return }
      let part = Array(bytes[place..<end])
      let times = generator.chance(8) ? min(2_000, limit / part.count) : 1 + generator.below(4)
      bytes.insert(contentsOf: repeatElement(part, count: times).joined(), at: place)
    case 7:
      let other = generator.pick(corpus)
      bytes.replaceSubrange(place..., with: other.suffix(generator.below(other.count + 1)))
    case 8:
      // A number in the place of another, in network order.
      let width = generator.pick([1, 2, 4, 8])
      guard bytes.count >= width else { return }
      let start = generator.below(bytes.count - width + 1)
      let number =
        generator.chance(3) ? UInt64(bytes.count - start) : generator.pick(Self.numbers)
      for index in 0..<width {
        bytes[start + index] = UInt8(truncatingIfNeeded: number >> UInt64((width - 1 - index) * 8))
      }
    case 9 where !nests.isEmpty:
      let nest = generator.pick(nests)
      let levels = generator.pick([2, 50, 98, 99, 100, 101, 102, 511, 512, 513, 5_000, 20_000])
      let most = min(levels, limit / (nest.open.count + nest.close.count + 1))
      let inner = bytes.count < 200 && generator.chance(2) ? bytes : []
      let deep =
        Array(repeatElement(nest.open, count: most).joined()) + inner
        + (generator.chance(4) ? [] : Array(repeatElement(nest.close, count: most).joined()))
      if generator.chance(2) {
        bytes = deep
      } else {
        bytes.insert(contentsOf: deep, at: place)
      }
    default:
      bytes.insert(
        contentsOf: (0..<1 + generator.below(8)).map { _ in UInt8(generator.below(256)) }, at: place
      )
    }
  }
}
