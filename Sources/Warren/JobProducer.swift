public import AMQP
import JobTransport
public import Jobs

/// Submits and cancels jobs by publishing messages: it needs nothing but the broker, and the server may be away.
///
/// A job that is accepted here is durable in the broker. Whether it is a valid one the server decides later: what it cannot
/// accept stands in the dead-letter queue with its reason.
struct JobProducer: Sendable {
  /// How often a message is published again, under the same id, when the broker did not say whether it has it.
  static let attempts = 3

  let connection: Connection
  let names: TransportNames
  /// How long all tries to publish together may take.
  let patience: Duration

  /// Submits jobs; returns when the broker has confirmed all of them.
  ///
  /// A submission without an id gets one, so that publishing it again cannot make it two jobs.
  ///
  /// - Returns: a receipt for each, in their order.
  /// - Throws: ``JobsNotTaken`` that lists the jobs which the broker did not confirm; the others are durable. All of them, when one has
  ///   what no server takes.
  func schedule(_ submissions: [JobSubmission]) async throws(JobsNotTaken) -> [JobReceipt] {
    var letters: [Letter] = []
    var receipts: [JobReceipt] = []
    var wrong: [JobMessageError?] = []
    for var submission in submissions {
      let id = submission.id ?? JobID()
      submission.id = id
      receipts.append(JobReceipt(submission, id: id))
      let message = JobMessage.message(submission)
      letters.append(letter(message, about: id, key: submission.type.description))
      wrong.append(JobMessage.refusal(of: message, submission))
    }
    try check(letters, wrong)
    try await publish(letters) { await connection.publishUnlessCancelled($0, timeout: $1) }
    return receipts
  }

  /// Cancels jobs; returns when the broker has confirmed all of it, though the server may be away: it is done as soon as the
  /// server reads it. A job that has ended by then stays as it is.
  ///
  /// - Throws: ``JobsNotTaken`` that lists the jobs whose cancellation the broker did not confirm.
  func cancel(_ cancellations: [JobCancellation]) async throws(JobsNotTaken) {
    let letters = cancellations.map {
      letter(CancelMessage.message($0), about: $0.job, key: "cancel")
    }
    try check(letters, cancellations.map { CancelMessage.refusal(of: $0) })
    // A job that is cancelled itself cancels its children.
    try await publish(letters) { await connection.publish($0, timeout: $1) }
  }

  private typealias Letter = (id: JobID, publication: Publication)

  private func letter(_ message: Message, about job: JobID, key: String) -> Letter {
    (job, Publication(message, exchange: names.submit, routingKey: key, mandatory: true))
  }

  /// What the server would refuse is not sent.
  private func check(_ letters: [Letter], _ wrong: [JobMessageError?]) throws(JobsNotTaken) {
    guard let first = wrong.firstIndex(where: { $0 != nil }) else { return }
    throw JobsNotTaken(
      jobs: letters.map(\.id),
      verdicts: wrong.map { error in
        .notSent(error?.description ?? "the message of \(letters[first].id) cannot be sent")
      })
  }

  private func publish(
    _ letters: [Letter], send: ([Publication], Duration) async -> [PublishVerdict]
  ) async throws(JobsNotTaken) {
    var pending = letters
    var verdicts: [PublishVerdict] = []
    let end = ContinuousClock.now + patience
    for attempt in 0..<Self.attempts where !pending.isEmpty {
      let rest = end - .now
      // What was not taken is told to whoever has given up waiting, too.
      if attempt > 0, rest <= .zero || Task.isCancelled { break }
      verdicts = await send(pending.map(\.publication), rest)
      pending = zip(pending, verdicts).filter { $0.1 != .confirmed }.map(\.0)
    }
    if !pending.isEmpty {
      throw JobsNotTaken(
        jobs: pending.map(\.id), verdicts: verdicts.filter { $0 != .confirmed })
    }
  }
}

/// Jobs that the broker did not confirm, or whose message no server would take. Submitting them again under the same ids is safe.
public struct JobsNotTaken: Error, CustomStringConvertible {
  /// Those whose message may not have been accepted; the same again, under the same ids, is safe.
  public let jobs: [JobID]
  /// What the broker said of each.
  public let verdicts: [PublishVerdict]

  public var description: String {
    let list = zip(jobs, verdicts).map { "\($0) (\($1))" }.joined(separator: ", ")
    return "the broker did not confirm the messages of \(jobs.count) jobs: \(list)"
  }
}
