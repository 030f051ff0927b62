public import AMQP
public import Jobs

/// Jobs that the broker did not confirm. Submitting them again under the same ids is safe.
public struct JobProducerError: Error, CustomStringConvertible {
  /// Those whose message may not have been accepted; the same again, under the same ids, is safe.
  public let jobs: [JobID]
  /// What the broker said of each.
  public let verdicts: [PublishVerdict]

  public var description: String {
    let list = zip(jobs, verdicts).map { "\($0) (\($1))" }.joined(separator: ", ")
    return "the broker did not confirm the messages of \(jobs.count) jobs: \(list)"
  }
}
