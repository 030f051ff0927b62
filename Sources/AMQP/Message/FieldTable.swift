/// Named values: the headers of a message, the arguments of a queue, exchange, binding or consumer.
///
/// It keeps the order in which entries were added, as the wire does; two tables with the same
/// entries in another order are equal. Names are at most 255 bytes (128 by the specification,
/// section 4.2.5.5).
public struct FieldTable: Sendable, ExpressibleByDictionaryLiteral {
  /// One named value.
  public typealias Element = (name: String, value: FieldValue)

  private var entries: [Entry] = []

  private struct Entry: Sendable {
    var name: String
    var value: FieldValue
  }

  /// An empty table.
  public init() {}

  /// A table of the literal's entries; of a name that is repeated the last value counts.
  public init(dictionaryLiteral elements: (String, FieldValue)...) {
    for (name, value) in elements { self[name] = value }
  }

  /// The value of that name. Setting `nil` removes the entry.
  public subscript(name: String) -> FieldValue? {
    get { entries.first { $0.name == name }?.value }
    set {
      let index = entries.firstIndex { $0.name == name }
      switch (index, newValue) {
      case (let index?, let value?): entries[index].value = value
      case (let index?, nil): entries.remove(at: index)
      case (nil, let value?): entries.append(Entry(name: name, value: value))
      case (nil, nil): break
      }
    }
  }

  /// The names, in order.
  public var names: [String] { entries.map(\.name) }

  /// Appends without looking for an entry of that name: what the broker sends may repeat one.
  mutating func append(name: String, value: FieldValue) {
    entries.append(Entry(name: name, value: value))
  }

  /// How many bytes the table takes on the wire, its length prefix included.
  public var encodedSize: Int {
    entries.reduce(4) { $0 + 1 + $1.name.utf8.count + $1.value.encodedSize }
  }

  /// Whether tables and arrays are inside each other at most so many levels deep, this table being
  /// the first.
  func depth(atMost limit: Int) -> Bool {
    limit > 0 && entries.allSatisfy { $0.value.depth(atMost: limit - 1) }
  }

  /// The first name, at any depth, that is longer than AMQP can carry.
  var overlongName: String? {
    for entry in entries {
      if entry.name.utf8.count > ShortString.limit { return entry.name }
      if let name = entry.value.overlongName { return name }
    }
    return nil
  }
}

extension FieldTable: RandomAccessCollection {
  public var startIndex: Int { 0 }
  public var endIndex: Int { entries.count }
  public subscript(position: Int) -> Element {
    (entries[position].name, entries[position].value)
  }
}

extension FieldTable: Hashable {
  public static func == (left: FieldTable, right: FieldTable) -> Bool {
    left.count == right.count && left.byName == right.byName
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(byName)
  }

  private var byName: [String: [FieldValue]] {
    Dictionary(entries.map { ($0.name, [$0.value]) }, uniquingKeysWith: +)
  }
}

extension FieldValue {
  fileprivate func depth(atMost limit: Int) -> Bool {
    switch self {
    case .table(let table): table.depth(atMost: limit)
    case .array(let values): limit > 0 && values.allSatisfy { $0.depth(atMost: limit - 1) }
    default: true
    }
  }

  fileprivate var overlongName: String? {
    switch self {
    case .table(let table): table.overlongName
    case .array(let values): values.lazy.compactMap(\.overlongName).first
    default: nil
    }
  }
}

/// A value in a ``FieldTable``: every kind that AMQP 0-9-1 and RabbitMQ know.
///
/// The kinds are those of RabbitMQ's grammar (its "AMQP 0-9-1 Errata, Field types"), which differ
/// from the specification's table in a few letters.
public enum FieldValue: Sendable, Hashable {
  /// `t`
  case bool(Bool)
  /// `b`
  case int8(Int8)
  /// `B`
  case uint8(UInt8)
  /// `s`
  case int16(Int16)
  /// `u`
  case uint16(UInt16)
  /// `I`
  case int32(Int32)
  /// `i`
  case uint32(UInt32)
  /// `l`
  case int64(Int64)
  /// `L`. Not in RabbitMQ's list of kinds, though 3.10 takes it; other clients may not.
  case uint64(UInt64)
  /// `f`
  case float(Float)
  /// `d`
  case double(Double)
  /// `D`: `value` divided by ten to the power of `scale`.
  case decimal(scale: UInt8, value: UInt32)
  /// `S`, when its bytes are UTF-8; a long string of other bytes is read as ``bytes(_:)``.
  case string(String)
  /// `x`
  case bytes([UInt8])
  /// `A`
  case array([FieldValue])
  /// `T`: seconds since 1970.
  case timestamp(UInt64)
  /// `F`
  case table(FieldTable)
  /// `V`
  case void

  /// The text of a ``string(_:)``, else `nil`.
  public var stringValue: String? {
    if case .string(let value) = self { value } else { nil }
  }

  /// The truth of a ``bool(_:)``, else `nil`.
  public var boolValue: Bool? {
    if case .bool(let value) = self { value } else { nil }
  }

  /// The value of any integer kind or a timestamp, where it fits; else `nil`.
  public var integerValue: Int64? {
    switch self {
    case .int8(let value): Int64(value)
    case .uint8(let value): Int64(value)
    case .int16(let value): Int64(value)
    case .uint16(let value): Int64(value)
    case .int32(let value): Int64(value)
    case .uint32(let value): Int64(value)
    case .int64(let value): value
    case .uint64(let value), .timestamp(let value): Int64(exactly: value)
    default: nil
    }
  }

  /// How many bytes the value takes on the wire, its kind included.
  var encodedSize: Int {
    switch self {
    case .void: 1
    case .bool, .int8, .uint8: 2
    case .int16, .uint16: 3
    case .int32, .uint32, .float: 5
    case .decimal: 6
    case .int64, .uint64, .double, .timestamp: 9
    case .string(let value): 5 + value.utf8.count
    case .bytes(let value): 5 + value.count
    case .array(let values): values.reduce(5) { $0 + $1.encodedSize }
    case .table(let table): 1 + table.encodedSize
    }
  }
}

extension FieldValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  /// A ``string(_:)``.
  public init(stringLiteral value: String) { self = .string(value) }
  /// An ``int64(_:)``.
  public init(integerLiteral value: Int64) { self = .int64(value) }
  /// A ``bool(_:)``.
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  /// An ``array(_:)``.
  public init(arrayLiteral elements: FieldValue...) { self = .array(elements) }
  /// A ``table(_:)``; of a name that is repeated the last value counts.
  public init(dictionaryLiteral elements: (String, FieldValue)...) {
    var table = FieldTable()
    for (name, value) in elements { table[name] = value }
    self = .table(table)
  }
}

extension FieldValue: CustomStringConvertible {
  /// The value as a message or log line may show it: texts in quotes and shortened to 100 characters,
  /// bytes, arrays and tables by their size only.
  public var description: String {
    switch self {
    case .bool(let value): "\(value)"
    case .int8(let value): "\(value)"
    case .uint8(let value): "\(value)"
    case .int16(let value): "\(value)"
    case .uint16(let value): "\(value)"
    case .int32(let value): "\(value)"
    case .uint32(let value): "\(value)"
    case .int64(let value): "\(value)"
    case .uint64(let value): "\(value)"
    case .float(let value): "\(value)"
    case .double(let value): "\(value)"
    case .decimal(let scale, let value): "\(value)e-\(scale)"
    case .string(let value):
      value.utf8.count <= 100 ? "\"\(value)\"" : "\"\(value.prefix(100))…\""
    case .bytes(let value): "\(value.count) bytes"
    case .array(let values): "an array of \(values.count) values"
    case .timestamp(let value): "the time \(value)"
    case .table(let table): "a table of \(table.count) values"
    case .void: "nothing"
    }
  }
}

/// The limit of AMQP's short strings (specification, section 4.2.5.3): names, keys, most
/// properties.
enum ShortString {
  static let limit = 255

  /// Throws ``AMQPError/invalidArgument(_:)`` if `value` is longer than a short string can be.
  static func check(_ value: String, _ what: String) throws(AMQPError) {
    let length = value.utf8.count
    guard length <= limit else {
      throw .invalidArgument(
        "\(what) is \(length) bytes long, AMQP allows \(limit): \(value.prefix(40))…")
    }
  }
}
