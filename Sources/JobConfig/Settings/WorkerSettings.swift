/// How workers behave: the section `worker` of the file.
public struct WorkerSettings: Sendable, Hashable {
  /// How long the running jobs of a worker that is told to stop may go on; then they are given back.
  public var drainTimeout = Duration.seconds(30)

  public init() {}
}
