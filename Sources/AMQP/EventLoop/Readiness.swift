/// What a poll found.
struct Readiness: Sendable {
  /// The descriptor that was asked about; `nil`: none was.
  var descriptor: Int32?
  /// Input, an end of file or an error can be read.
  var readable = false
  /// Output is taken.
  var writable = false
}
