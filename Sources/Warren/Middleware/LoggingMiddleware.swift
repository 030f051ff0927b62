public import Jobs
public import Logging

extension JobMiddleware where Self == LoggingMiddleware {
  /// A line when a job begins and one when it ends, with how long it took; and one for what is scheduled.
  public static var logging: LoggingMiddleware { LoggingMiddleware() }
}

/// Logs jobs as they are scheduled, begin and end. The lines of a job carry its id, type, attempt and trace.
public struct LoggingMiddleware: JobMiddleware {
  private let logger: Logger
  private let level: Logger.Level

  /// - Parameters:
  ///   - logger: where what is scheduled is told; jobs log to their own.
  ///   - level: of jobs that go well. One that fails is told at `warning`.
  public init(logger: Logger = Logger(label: "warren.jobs"), level: Logger.Level = .info) {
    self.logger = logger
    self.level = level
  }

  public func schedule(
    _ submissions: [JobSubmission], next: @Sendable ([JobSubmission]) async throws -> [JobReceipt]
  ) async throws -> [JobReceipt] {
    do {
      let receipts = try await next(submissions)
      for (submission, receipt) in zip(submissions, receipts) {
        logger.log(
          level: level, "scheduled",
          metadata: ["job": "\(receipt.id)", "type": "\(submission.type)"])
      }
      return receipts
    } catch {
      logger.error(
        "not scheduled", metadata: ["jobs": "\(submissions.count)", "error": "\(error)"])
      throw error
    }
  }

  public func execute(
    _ job: JobContext, of type: JobTypeDescription,
    next: @Sendable (JobContext) async throws -> JSONPayload?
  ) async throws -> JSONPayload? {
    let start = ContinuousClock.now
    func took() -> Logger.Metadata { ["took": "\(start.duration(to: .now))"] }
    job.logger.log(level: level, "begins")
    do {
      let result = try await next(job)
      job.logger.log(level: level, "completed", metadata: took())
      return result
    } catch let skip as JobSkip {
      job.logger.log(
        level: level, "skipped", metadata: took().merging(["reason": "\(skip.reason)"]) { $1 })
      throw skip
    } catch let snooze as Snooze {
      job.logger.log(
        level: level, "snoozed", metadata: took().merging(["for": "\(snooze.delay)"]) { $1 })
      throw snooze
    } catch {
      job.logger.warning("ended", metadata: took().merging(["error": "\(error)"]) { $1 })
      throw error
    }
  }
}
