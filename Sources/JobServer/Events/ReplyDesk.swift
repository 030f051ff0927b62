import AMQP
import JobStore
import JobTransport
import Jobs
import Logging
import ServiceLifecycle

/// Sends the final job to the producers that gave a `reply_to`. Who has been told is in the store, so that nobody is
/// forgotten over a restart; after one, somebody may be told twice.
struct ReplyDesk: Service {
  private static let batchLimit = 200

  let store: StatusStore
  let connection: Connection
  /// Raised when a job has ended whose producer wants to know.
  let endings: Signal
  let logger: Logger

  func run() async throws {
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        do {
          if try await turn() { await endings.wait(atMost: nil) }
        } catch {
          logger.error("producers cannot be told now", metadata: ["error": "\(error)"])
          // Ends early only when the task is cancelled, which the loop looks at next.
          try? await Task.sleep(for: .seconds(1))
        }
      }
    }
  }

  /// - Returns: whether all are told.
  private func turn() async throws -> Bool {
    let jobs = try await store.pendingReplies(limit: Self.batchLimit)
    guard !jobs.isEmpty else { return true }
    var told: [JobID] = []
    var letters: [(job: Job, publication: Publication)] = []
    for job in jobs {
      if let publication = letter(of: job) {
        letters.append((job, publication))
      } else {
        told.append(job.id)
      }
    }
    let verdicts = await connection.publish(letters.map(\.publication))
    for ((job, _), verdict) in zip(letters, verdicts) {
      switch verdict {
      case .confirmed:
        told.append(job.id)
      case .returned:
        logger.notice(
          "a producer wanted to be told of its job, and is gone", metadata: ["job": "\(job.id)"])
        told.append(job.id)
      case .nacked, .notSent, .unknown:
        break
      }
    }
    _ = try await store.update(told) { _, job in job.noteReply() }
    guard told.count < jobs.count else { return jobs.count < Self.batchLimit }
    throw AMQPError.nacked
  }

  /// `nil` when it can never be sent.
  private func letter(of job: Job) -> Publication? {
    guard let reply = job.reply else { return nil }
    do {
      return Publication(
        try WireCoding.message(job, for: reply), exchange: "", routingKey: reply.address,
        mandatory: true)
    } catch {
      logger.error(
        "a producer cannot be told of its job", metadata: ["job": "\(job.id)", "error": "\(error)"])
      return nil
    }
  }
}
