/// A JSON value that equals another as JSON Schema has it: numbers by what they amount to, texts by their Unicode scalars (Swift takes
/// a letter with its accent, and the two apart, for the same).
struct ExactValue: Hashable {
  private let value: JSONValue

  init(_ value: JSONValue) {
    self.value = value
  }

  static func == (one: Self, other: Self) -> Bool { areEqual(one.value, other.value) }

  static func areEqual(_ one: JSONValue, _ other: JSONValue) -> Bool {
    switch (one, other) {
    case (.null, .null): true
    case (.bool(let one), .bool(let other)): one == other
    case (.integer(let one), .integer(let other)): one == other
    case (.integer, .number), (.number, .integer), (.number, .number):
      ExactNumber.compare(one, other) == .equal
    case (.string(let one), .string(let other)): one.utf8.elementsEqual(other.utf8)
    case (.array(let one), .array(let other)):
      one.count == other.count && zip(one, other).allSatisfy { areEqual($0, $1) }
    case (.object(let one), .object(let other)):
      one.count == other.count
        && one.allSatisfy { name, member in other[name].map { areEqual(member, $0) } ?? false }
    default: false
    }
  }

  func hash(into hasher: inout Hasher) { Self.hash(value, into: &hasher) }

  private static func hash(_ value: JSONValue, into hasher: inout Hasher) {
    switch value {
    case .null: hasher.combine(0)
    case .bool(let flag): hasher.combine(flag)
    case .integer(let integer): hasher.combine(Double(integer))
    case .number(let number): hasher.combine(number)
    case .string(let text): hasher.combine(text)
    case .array(let elements):
      hasher.combine(elements.count)
      for element in elements { hash(element, into: &hasher) }
    case .object(let members):
      // In any order.
      var sum = 0
      for (name, member) in members {
        var inner = Hasher()
        inner.combine(name)
        hash(member, into: &inner)
        sum &+= inner.finalize()
      }
      hasher.combine(sum)
    }
  }
}

/// Numbers of JSON, compared and divided without rounding.
enum ExactNumber {
  enum Order { case less, equal, more }

  /// Both have to be numbers.
  static func compare(_ one: JSONValue, _ other: JSONValue) -> Order {
    switch (one, other) {
    case (.integer(let one), .integer(let other)):
      one < other ? .less : one == other ? .equal : .more
    case (.number(let one), .number(let other)):
      one < other ? .less : one == other ? .equal : .more
    case (.integer(let one), .number(let other)): compare(one, other)
    case (.number(let one), .integer(let other)):
      switch compare(other, one) {
      case .less: .more
      case .equal: .equal
      case .more: .less
      }
    default: .equal
    }
  }

  private static func compare(_ one: Int64, _ other: Double) -> Order {
    if other >= 0x1p63 { return .less }
    if other < -0x1p63 { return .more }
    let whole = Int64(other.rounded(.towardZero))
    if one != whole { return one < whole ? .less : .more }
    let fraction = other - Double(whole)
    return fraction > 0 ? .less : fraction < 0 ? .more : .equal
  }

  /// Whether a number is so many times another, by the shortest decimals that stand for them: 0.3 is three times 0.1.
  static func isMultiple(_ value: JSONValue, of divisor: JSONValue) -> Bool {
    guard let value = Decimals(value), let divisor = Decimals(divisor), divisor.digits > 0 else {
      return false
    }
    guard value.digits > 0 else { return true }
    // Neither ends with a zero, so that there is none to be divided by what has more decimal places.
    guard value.exponent >= divisor.exponent else { return false }
    var rest = value.digits % divisor.digits
    var power = 10 % divisor.digits
    var exponent = value.exponent - divisor.exponent
    while exponent > 0, rest > 0 {
      if exponent & 1 == 1 { rest = multiply(rest, power, modulo: divisor.digits) }
      power = multiply(power, power, modulo: divisor.digits)
      exponent >>= 1
    }
    return rest == 0
  }

  private static func multiply(_ one: UInt64, _ other: UInt64, modulo: UInt64) -> UInt64 {
    modulo.dividingFullWidth(one.multipliedFullWidth(by: other)).remainder
  }

  /// `digits` times ten to the power of `exponent`, without a sign; the digits do not end with a zero.
  private struct Decimals {
    private(set) var digits: UInt64
    private(set) var exponent = 0

    init?(_ value: JSONValue) {
      switch value {
      case .integer(let integer):
        digits = integer.magnitude
      case .number(let number):
        guard number.isFinite else { return nil }
        digits = 0
        // As in 12.5, 1e-05 or 1.25e+20.
        let parts = number.magnitude.description.split(separator: "e")
        var decimals: Int?
        for character in parts[0] {
          guard let digit = character.wholeNumberValue else {
            decimals = 0
            continue
          }
          let (product, isTooLarge) = digits.multipliedReportingOverflow(by: 10)
          let (sum, isMore) = product.addingReportingOverflow(UInt64(digit))
          guard !isTooLarge, !isMore else { return nil }
          digits = sum
          decimals = decimals.map { $0 + 1 }
        }
        exponent = (parts.count > 1 ? Int(parts[1]) ?? 0 : 0) - (decimals ?? 0)
      default:
        return nil
      }
      while digits > 0, digits.isMultiple(of: 10) {
        digits /= 10
        exponent += 1
      }
    }
  }
}
