/// What the server tells or asks a worker.
package enum ControlCommand: Sendable, Hashable, Codable {
  /// Cancel the job's attempt: its outcome is to be reported. The reason is what somebody gave for it.
  case cancel(job: JobID, attempt: Int, reason: String? = nil)
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

/// A worker's answer to a ``ControlCommand`` that asks for one.
package enum ControlReply: Sendable, Hashable, Codable {
  /// What the worker knows of each attempt that it was asked about, in their order.
  case attempts([AttemptState])
  /// The callback has returned.
  case done
  /// The callback has thrown, or did not return in time.
  case failed(String)
  /// The worker has no such callback.
  case unknownCallback
}

/// What a worker knows of one attempt.
package enum AttemptState: String, Sendable, Hashable, Codable {
  /// It runs the attempt, or is about to.
  case running
  /// It has reported how the attempt ended, and can report it again.
  case reported
  /// It does not run it, and does not remember how it ended.
  case unknown
}

/// One attempt of a job: one that a worker says it runs, or that it is asked about.
package struct RunningAttempt: Sendable, Hashable, Codable {
  /// Of which job.
  package let job: JobID
  /// Which of its attempts.
  package let attempt: Int

  /// An attempt of a job.
  package init(job: JobID, attempt: Int) {
    self.job = job
    self.attempt = attempt
  }
}
