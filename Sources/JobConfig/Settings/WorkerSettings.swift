/// How workers behave: the section `worker` of the file.
public struct WorkerSettings: Sendable, Hashable {
  /// How long the running jobs of a worker that is told to stop may go on; then they are given back.
  public var drainTimeout = Duration.seconds(30)

  /// How long a job may run before its delivery is acknowledged; less than the broker's consumer timeout.
  public var detachAfter = Duration.seconds(600)

  /// How long a callback that does not end when it is told to is put up with, before the worker ends itself; zero is for ever.
  public var stuckLimit = Duration.seconds(600)

  public init() {}
}
