import HTTPTypes
import Jobs
import RawStructuredFieldValues

/// The header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header), beside the member of the body, where that is one.
///
/// There its value is a string in quotes (RFC 9651). Most clients send their key as it stands: that is taken as well, and both
/// ways of writing a text name the same key.
enum IdempotencyKeyHeader {
  static let name = "Idempotency-Key"

  /// - Throws: ``APIProblem`` for one that is given twice, or is none.
  static func key(in headers: HTTPFields) throws(APIProblem) -> IdempotencyKey? {
    let values = headers.filter { $0.name.canonicalName == name.lowercased() }.map(\.value)
    guard let value = values.first else { return nil }
    guard values.count == 1 else {
      throw APIProblem(.invalidParameter, "the header \(name) is given twice")
    }
    // What stands for bytes that are no UTF-8 would make one key of many.
    guard !value.unicodeScalars.contains("\u{FFFD}") else {
      throw APIProblem(.invalidParameter, "the header \(name) is no UTF-8")
    }
    let text = value.hasPrefix("\"") ? try unquoted(value) : value
    do throws(NameError) {
      return try IdempotencyKey(text)
    } catch {
      throw APIProblem(.invalidParameter, "the header \(name): \(error)")
    }
  }

  /// The one key of a request.
  ///
  /// - Throws: ``APIProblem`` when header and body name two.
  static func agreed(
    _ header: IdempotencyKey?, _ body: IdempotencyKey?
  ) throws(APIProblem) -> IdempotencyKey? {
    guard let header, let body, header != body else { return header ?? body }
    throw APIProblem(
      .invalidParameter,
      "the header \(name) and the member idempotency_key name two keys, \(header) and \(body); one"
        + " of them is enough")
  }

  /// Of a request that has no place for it, which would be done again without it.
  ///
  /// - Parameter why: what there is instead.
  /// - Throws: ``APIProblem`` where it is given at all.
  static func refuse(in headers: HTTPFields, _ why: String) throws(APIProblem) {
    guard !headers.contains(where: { $0.name.canonicalName == name.lowercased() }) else {
      throw APIProblem(.invalidParameter, "the header \(name) is not taken here: \(why)")
    }
  }

  private static func unquoted(_ value: String) throws(APIProblem) -> String {
    var parser = StructuredFieldValueParser(Array(value.utf8))
    guard let item = try? parser.parseItemFieldValue(),
      case .string(let text) = item.rfc9651BareItem
    else {
      throw APIProblem(
        .invalidParameter,
        "the header \(name) begins with a quote, and is no string in quotes: within them are"
          + " characters of ASCII, with a backslash before each quote and backslash")
    }
    return text
  }
}
