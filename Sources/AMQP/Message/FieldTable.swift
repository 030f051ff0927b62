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
