/// What the server tells or asks a worker.
public enum ControlCommand: Sendable, Hashable, Codable {
  /// Cancel the job's attempt: its outcome is to be reported.
  case cancel(job: JobID, attempt: Int)
  /// Suspend the job's attempt: its outcome is to be reported.
  case suspend(job: JobID, attempt: Int)
  /// The attempt is no longer the job's: stop it and report nothing.
  case stop(job: JobID, attempt: Int)
  /// The job that this one was locked by has ended.
  case released(job: JobID, attempt: Int)
  /// Say what you know of each of these attempts; answered by a ``ControlReply``.
  case confirm([RunningAttempt])
  /// Report once more how the attempt ended: the report was lost on its way.
  case reportAgain(job: JobID, attempt: Int)
  /// Call one of the job type's callbacks; answered by a ``ControlReply``.
  case call(JobCallback, JobAssignment)
  /// Subscribe to a queue anew: the broker's own account of its consumers is in doubt.
  case renew(JobQueueName)
  /// There is something to run in a queue for which the worker was told to park.
  case wake(JobQueueName)
  /// Nothing to do: that it can be delivered is what is asked.
  case ping
  /// Say again who you are.
  case announce
}
