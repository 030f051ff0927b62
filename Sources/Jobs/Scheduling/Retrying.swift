extension Job {
  /// The statuses of jobs that can be done again: they did not get done. A skip is the job's own decision, and a completed job
  /// has done what it was to do; either is scheduled anew by whoever wants that.
  package static let retryable: Set<JobStatus> = [.failed, .canceled, .timedOut]

  /// The key of the job that does this one again. There is one for each job, however often it is asked for; within the tenant, as
  /// keys are, so that nobody else can take it.
  package var retryKey: IdempotencyKey { IdempotencyKey(uuid: id.uuid).derived("retry") }
}

extension NewJob {
  /// The wish to do the job again: what was submitted, to be checked anew, and whatever else was said of the job.
  package var retry: JobSubmission {
    var submission = JobSubmission(
      type: job.type, params: submitted, tenantID: job.tenantID, userID: job.userID,
      idempotencyKey: job.retryKey, timeout: job.timeout, maxRetries: job.retry.maxRetries,
      retryDelay: job.retry.delay, backoff: job.retry.backoff, maxRetryDelay: job.retry.maxDelay,
      jitter: job.retry.jitter, priority: job.priority, context: job.context)
    submission.retryOf = job.id
    submission.webhooks = job.webhooks
    return submission
  }
}
