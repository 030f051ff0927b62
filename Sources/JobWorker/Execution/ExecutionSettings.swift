import Jobs

/// How attempts are run.
struct ExecutionSettings: Sendable {
  /// The shortest time between two reports of one attempt's progress.
  var progressInterval: Duration = .milliseconds(100)
  /// How long a callback may take to end after it was told to, before it counts as stuck.
  var grace: Duration = .seconds(10)
  /// How long it may be stuck before the worker ends itself; `nil` is for ever.
  var stuckLimit: Duration?
  var limits = OutcomeLimits()
}

/// How much of what a callback says is kept, in bytes.
struct OutcomeLimits: Sendable, Hashable {
  /// Of an error, a reason or the details of a progress; what is over it is cut off.
  var message = 8 << 10
  /// Of a result as JSON; a larger one fails the job.
  var result = JobLimits.result
  /// Of a snapshot as JSON; a larger one is refused.
  var snapshot = JobLimits.snapshot

  func check(_ snapshot: JSONPayload) throws(SnapshotError) {
    let size = snapshot.bytes.count
    guard size <= self.snapshot else { throw .tooLarge(size, limit: self.snapshot) }
  }

  /// The text, cut where it is too long.
  func bounded(_ text: String) -> String {
    guard text.utf8.count > message else { return text }
    var end = text.utf8.index(text.utf8.startIndex, offsetBy: message)
    // Never within a character.
    while String.Index(end, within: text) == nil {
      end = text.utf8.index(before: end)
    }
    return "\(text[..<end])… [cut: \(text.utf8.count) bytes]"
  }
}
