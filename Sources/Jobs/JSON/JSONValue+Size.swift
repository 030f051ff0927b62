extension JSONValue {
  /// At most how many bytes the value has as JSON text, without writing it: what batches are bounded by.
  public var sizeBound: Int {
    switch self {
    case .null, .bool: 5
    case .integer, .number: 26
    case .string(let text): Self.sizeBound(of: text)
    case .array(let elements): elements.reduce(2) { $0 + $1.sizeBound + 1 }
    case .object(let members):
      members.reduce(2) { $0 + Self.sizeBound(of: $1.key) + $1.value.sizeBound + 2 }
    }
  }

  /// The same of a text, with its quotation marks.
  static func sizeBound(of text: String) -> Int {
    var text = text
    return text.withUTF8 { bytes in
      var size = 2
      for byte in bytes {
        switch byte {
        case ..<0x20: size += 6
        case 0x22, 0x2F, 0x5C: size += 2
        default: size += 1
        }
      }
      return size
    }
  }
}
