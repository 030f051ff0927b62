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
