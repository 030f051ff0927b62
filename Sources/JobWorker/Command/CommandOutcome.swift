import Jobs

/// All that is known of a program that has run.
struct CommandOutcome: Sendable, Hashable {
  var end: CommandEnd
  var output: OutputHead
  /// The end of its standard error.
  var errorTail: String
  /// The last result or skip that it reported, if it did.
  var conclusion: Conclusion?

  enum Conclusion: Sendable, Hashable {
    case result(JSONValue)
    case skip(String)
  }
}
