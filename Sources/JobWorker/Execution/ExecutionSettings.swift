/// How attempts are run.
struct ExecutionSettings: Sendable {
  /// The shortest time between two reports of one attempt's progress.
  var progressInterval: Duration = .milliseconds(100)
  /// How long a callback may take to end after it was told to, before the worker stops waiting for it.
  var grace: Duration = .seconds(10)
  var limits = OutcomeLimits()
}
