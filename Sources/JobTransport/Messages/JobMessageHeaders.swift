import AMQP
import Foundation
import Jobs

/// Reads the headers of a job message. Producers' libraries choose the AMQP type of a number themselves, and a person in
/// the management UI can often give only text; each is taken where it says the same.
struct JobMessageHeaders {
  let table: FieldTable

  /// Throws if they came in a shape that cannot be read at all.
  init(_ message: Message) throws(JobMessageError) {
    if let why = message.properties.headersRefused { throw JobMessageError(.badHeader, why) }
    table = message.properties.headers
  }

  func uuid(_ name: String) throws(JobMessageError) -> UUID? {
    guard let value = table[name] else { return nil }
    guard let text = value.stringValue, let uuid = UUID(uuidString: text) else {
      throw JobMessageError(.badHeader, "the header \(name) must be a UUID, not \(value)")
    }
    return uuid
  }

  func integer(
    _ name: String, in range: ClosedRange<Int64>
  ) throws(JobMessageError) -> Int64? {
    guard let value = table[name] else { return nil }
    guard let integer = value.integerValue ?? value.stringValue.flatMap(Int64.init),
      range.contains(integer)
    else {
      throw JobMessageError(
        .badHeader,
        "the header \(name) must be an integer from \(range.lowerBound) to \(range.upperBound), not \(value)"
      )
    }
    return integer
  }

  func number(
    _ name: String, in range: ClosedRange<Double>
  ) throws(JobMessageError) -> Double? {
    guard let value = table[name] else { return nil }
    guard let number = value.number, range.contains(number) else {
      throw JobMessageError(
        .badHeader,
        "the header \(name) must be a number from \(range.lowerBound) to \(range.upperBound), not \(value)"
      )
    }
    return number
  }

  func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ name: String
  ) throws(JobMessageError) -> Choice? {
    guard let value = table[name] else { return nil }
    guard let choice = value.stringValue.flatMap(Choice.init(rawValue:)) else {
      let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
      throw JobMessageError(
        .badHeader, "the header \(name) must be one of \(known), not \(value)")
    }
    return choice
  }

  func seconds(_ name: String) throws(JobMessageError) -> Duration? {
    guard let value = table[name] else { return nil }
    guard let number = value.number,
      let duration = Duration(checkedSeconds: number)
    else {
      throw JobMessageError(
        .badHeader, "the header \(name) must be a number of seconds from 0 up, not \(value)")
    }
    return duration
  }
}

extension FieldValue {
  fileprivate var number: Double? {
    switch self {
    case .double(let value): value
    case .float(let value): Double(value)
    case .string(let text): Double(text)
    default: integerValue.map(Double.init)
    }
  }
}
