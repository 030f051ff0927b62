package import Foundation

/// What writes itself as JSON, the same bytes as Foundation's encoder makes of it with sorted members and slashes as they are.
///
/// Foundation's encoder took a sixth of what it cost to accept a job over HTTP.
package protocol JSONWritable: Encodable {
  func write(to writer: inout JSONWriter)
}

extension JSONWritable {
  package var json: [UInt8] {
    var writer = JSONWriter()
    write(to: &writer)
    return writer.bytes
  }
}

/// JSON text as it grows (RFC 8259).
package struct JSONWriter {
  package private(set) var bytes: [UInt8] = []

  package init() {
    bytes.reserveCapacity(1024)
  }

  /// An object; its members are to come sorted.
  package mutating func object(_ members: (inout JSONWriter) -> Void) {
    bytes.append(UInt8(ascii: "{"))
    members(&self)
    bytes.append(UInt8(ascii: "}"))
  }

  package mutating func array<Elements: Collection>(
    _ elements: Elements, _ write: (inout JSONWriter, Elements.Element) -> Void
  ) {
    bytes.append(UInt8(ascii: "["))
    for element in elements {
      separate()
      write(&self, element)
    }
    bytes.append(UInt8(ascii: "]"))
  }

  /// The name of a member whose value comes next.
  package mutating func name(_ name: String) {
    separate()
    string(name)
    bytes.append(UInt8(ascii: ":"))
  }

  /// A value that is JSON already.
  package mutating func raw(_ json: [UInt8]) { bytes += json }

  package mutating func null() { bytes += "null".utf8 }

  package mutating func bool(_ value: Bool) { bytes += (value ? "true" : "false").utf8 }

  package mutating func integer(_ value: some BinaryInteger) { bytes += value.description.utf8 }

  /// A number that is not finite cannot be written, and becomes `null`.
  package mutating func number(_ value: Double) {
    guard value.isFinite else { return null() }
    let text = value.description.utf8
    bytes += text.suffix(2).elementsEqual(".0".utf8) ? text.dropLast(2) : text[...]
  }

  package mutating func string(_ value: String) {
    if value.utf8.count >= Self.longText, let json = Self.long(value) {
      bytes += json
      return
    }
    bytes.append(UInt8(ascii: "\""))
    for byte in value.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
      case 0x08: bytes += "\\b".utf8
      case 0x09: bytes += "\\t".utf8
      case 0x0A: bytes += "\\n".utf8
      case 0x0C: bytes += "\\f".utf8
      case 0x0D: bytes += "\\r".utf8
      case 0..<0x20:
        bytes += "\\u00".utf8
        hex(byte)
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }

  /// From so many bytes on, Foundation's encoder is faster; in a debug build by thirty times, which is what tests wait for.
  private static let longText = 4_096

  /// Text that cannot be encoded, if there is any, is written byte by byte.
  private static func long(_ value: String) -> Data? {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    return try? encoder.encode(value)
  }

  /// In small letters.
  package mutating func string(_ value: UUID) {
    bytes.append(UInt8(ascii: "\""))
    let (a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p) = value.uuid
    for (index, byte) in [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p].enumerated() {
      if index == 4 || index == 6 || index == 8 || index == 10 { bytes.append(UInt8(ascii: "-")) }
      hex(byte)
    }
    bytes.append(UInt8(ascii: "\""))
  }

  package mutating func value(_ value: JSONValue) {
    switch value {
    case .null: null()
    case .bool(let flag): bool(flag)
    case .integer(let integer): self.integer(integer)
    case .number(let number): self.number(number)
    case .string(let text): string(text)
    case .array(let elements): array(elements) { $0.value($1) }
    case .object(let members):
      object { writer in
        for (name, value) in members.sorted(by: { $0.key < $1.key }) {
          writer.name(name)
          writer.value(value)
        }
      }
    }
  }

  private mutating func separate() {
    switch bytes.last {
    case UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: ":"), nil: break
    default: bytes.append(UInt8(ascii: ","))
    }
  }

  private mutating func hex(_ byte: UInt8) {
    for digit in [byte >> 4, byte & 0xF] {
      bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
    }
  }
}
