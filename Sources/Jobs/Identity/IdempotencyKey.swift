public import Foundation

/// What makes two wishes for a job one: within a tenant, the same key is the same job.
///
/// A key is a UUID, or any text of 1 to 255 bytes of UTF-8, such as an order's number. A text that is a UUID in its usual
/// form is that UUID; of any other the UUID of version 5 in Warren's ``namespace`` is taken (RFC 9562, section 5.5), so that
/// a client in any language comes to the same one. The bytes count as they are: nothing is trimmed or normalised.
public struct IdempotencyKey: Sendable, Hashable {
  /// The longest text, in bytes of UTF-8.
  public static let maximumLength = 255
  /// The namespace in which texts become UUIDs: `9754dd5e-db9e-42ab-b8a4-4b5c8b358b81`.
  public static let namespace = UUID(
    uuid: (
      0x97, 0x54, 0xDD, 0x5E, 0xDB, 0x9E, 0x42, 0xAB, 0xB8, 0xA4, 0x4B, 0x5C, 0x8B, 0x35, 0x8B, 0x81
    ))

  /// What stands for the key in the store, and in ``Job/idempotencyKey``.
  public let uuid: UUID

  /// The key that is this UUID.
  public init(uuid: UUID) {
    self.uuid = uuid
  }

  /// The key that a text stands for.
  ///
  /// - Throws: ``NameError`` for a text that is empty or has more than 255 bytes.
  public init(_ text: String) throws(NameError) {
    let length = text.utf8.count
    guard (1...Self.maximumLength).contains(length) else {
      throw NameError(
        "an idempotency key is a text of 1 to \(Self.maximumLength) bytes, or a UUID; "
          + (length == 0 ? "this one is empty" : "this one has \(length) bytes"))
    }
    uuid = UUID(uuidString: text) ?? .version5(of: text.utf8, in: Self.namespace)
  }

  /// The key of a CloudEvent: that of the text in which its source and its id have a space between them, however long it is. No
  /// source has a space of its own.
  package static func event(source: String, id: String) -> IdempotencyKey {
    IdempotencyKey(uuid: .version5(of: "\(source) \(id)".utf8, in: namespace))
  }

  /// The key of something that belongs to what this key is for.
  package func derived(_ text: String) -> IdempotencyKey {
    IdempotencyKey(uuid: .version5(of: text.utf8, in: uuid))
  }

  /// A key that no other has.
  public static func unique() -> IdempotencyKey {
    IdempotencyKey(uuid: UUID())
  }
}

extension IdempotencyKey: ExpressibleByStringLiteral {
  /// The key that stands in the source. One that is none ends the process: it is a slip of the author's.
  public init(stringLiteral text: String) {
    do throws(NameError) {
      try self.init(text)
    } catch {
      preconditionFailure(error.description)
    }
  }
}

extension IdempotencyKey: CustomStringConvertible {
  /// The UUID in its usual form, in lower case.
  public var description: String { uuid.uuidString.lowercased() }
}

extension IdempotencyKey: Codable {
  public init(from decoder: any Decoder) throws {
    self = try decoder.name { text throws(NameError) in try Self(text) }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

extension UUID {
  /// The UUID that is a hash of a name within a namespace (RFC 9562, section 5.5).
  package static func version5(of name: some Sequence<UInt8>, in namespace: UUID) -> UUID {
    var bytes = withUnsafeBytes(of: namespace.uuid) { Array($0) }
    bytes.append(contentsOf: name)
    var hash = SHA1.digest(of: bytes)
    hash[6] = 0x50 | (hash[6] & 0x0F)
    hash[8] = 0x80 | (hash[8] & 0x3F)
    return UUID(
      uuid: (
        hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7],
        hash[8], hash[9], hash[10], hash[11], hash[12], hash[13], hash[14], hash[15]
      ))
  }
}

/// SHA-1 (FIPS 180-4, section 6.1), which UUIDs of version 5 are made with. It is not for security: collisions can be made.
enum SHA1 {
  /// The 20 bytes of the hash.
  static func digest(of message: [UInt8]) -> [UInt8] {
    var state: [UInt32] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0]
    var padded = message
    padded.append(0x80)
    padded.append(contentsOf: repeatElement(0, count: (120 - padded.count % 64) % 64))
    padded.append(contentsOf: (UInt64(message.count) * 8).bigEndianBytes)
    for start in stride(from: 0, to: padded.count, by: 64) {
      process(padded[start..<start + 64], into: &state)
    }
    return state.flatMap(\.bigEndianBytes)
  }

  private static func process(_ block: ArraySlice<UInt8>, into state: inout [UInt32]) {
    var words = stride(from: block.startIndex, to: block.endIndex, by: 4).map { index in
      block[index..<index + 4].reduce(0 as UInt32) { $0 << 8 | UInt32($1) }
    }
    for index in 16..<80 {
      let word = words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16]
      words.append(word.rotated(by: 1))
    }
    var (a, b, c, d, e) = (state[0], state[1], state[2], state[3], state[4])
    for (index, word) in words.enumerated() {
      let (mixed, constant): (UInt32, UInt32) =
        switch index {
        case ..<20: ((b & c) | (~b & d), 0x5A82_7999)
        case ..<40: (b ^ c ^ d, 0x6ED9_EBA1)
        case ..<60: ((b & c) | (b & d) | (c & d), 0x8F1B_BCDC)
        default: (b ^ c ^ d, 0xCA62_C1D6)
        }
      let next = a.rotated(by: 5) &+ mixed &+ e &+ constant &+ word
      (a, b, c, d, e) = (next, a, b.rotated(by: 30), c, d)
    }
    for (index, value) in [a, b, c, d, e].enumerated() { state[index] &+= value }
  }
}

extension UInt32 {
  fileprivate func rotated(by bits: UInt32) -> UInt32 { self << bits | self >> (32 - bits) }
}

extension FixedWidthInteger {
  fileprivate var bigEndianBytes: [UInt8] { withUnsafeBytes(of: bigEndian) { Array($0) } }
}
