public import AMQP
public import JobTransport
public import Jobs
public import Logging

/// Submits and cancels jobs by publishing messages: a producer needs nothing but the broker, and the server may be away.
///
/// A job that is accepted here is durable in the broker. Whether it is a valid one the server decides later: what it cannot
/// accept stands in the dead-letter queue with its reason.
public struct JobProducer: Sendable {
  /// How often a message is published again, under the same id, when the broker did not say whether it has it.
  static let attempts = 3

  private let connection: Connection
  private let names: TransportNames

  /// - Parameter connection: one that runs; it is used for publishing.
  public init(connection: Connection, names: TransportNames) {
    self.connection = connection
    self.names = names
  }

  /// Connects, hands a producer to `body`, and closes the connection when that returns or throws.
  ///
  /// - Parameters:
  ///   - broker: an AMQP URL (RabbitMQ URI specification), as in `amqp://guest:guest@127.0.0.1:5672/`.
  ///   - prefix: what the names of the exchanges start with; the server's.
  /// - Throws: `AMQPError` when the URL is wrong or the broker cannot be reached, `NameError` for a prefix that is no name,
  ///   and whatever `body` throws.
  public static func connect<Answer: Sendable>(
    broker: String, prefix: String = "jobs", logger: Logger = Logger(label: "warren.producer"),
    _ body: @Sendable (JobProducer) async throws -> Answer
  ) async throws -> Answer {
    var configuration = try ConnectionConfiguration(url: broker)
    configuration.connectionName = "warren producer"
    let names = try TransportNames(prefix: prefix)
    let connection = Connection(
      configuration: configuration,
      topology: { JobTopology.producer(names, broker: $0.version) }, logger: logger)
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await connection.run() }
      try await connection.waitUntilReady(timeout: configuration.connectTimeout)
      let answer = try await body(JobProducer(connection: connection, names: names))
      group.cancelAll()
      return answer
    }
  }

  /// Submits one job with typed params; otherwise as for several.
  @discardableResult
  public func schedule(
    _ type: JobTypeID, params: some Encodable, options: (inout JobSubmission) -> Void = { _ in }
  ) async throws -> JobID {
    var submission = JobSubmission(type: type, params: try JSONValue(encoding: params))
    options(&submission)
    return try await schedule([submission])[0]
  }

  /// Submits jobs; returns when the broker has confirmed all of them.
  ///
  /// A submission without an id gets one, so that publishing it again cannot make it two jobs.
  ///
  /// - Returns: the ids of the jobs, in the order of the submissions.
  /// - Throws: ``JobProducerError`` that lists the jobs which the broker did not confirm; the others are durable.
  public func schedule(_ submissions: [JobSubmission]) async throws(JobProducerError) -> [JobID] {
    var letters: [Letter] = []
    for var submission in submissions {
      let id = submission.id ?? JobID()
      submission.id = id
      letters.append(
        letter(JobMessage.message(submission), about: id, key: submission.type.description))
    }
    try await publish(letters)
    return letters.map(\.id)
  }

  /// Cancels a job; otherwise as for several.
  ///
  /// - Parameter reason: why, for people; it becomes the job's details. Of 1,000 characters at most.
  public func cancel(_ job: JobID, reason: String? = nil) async throws(JobProducerError) {
    try await cancel([JobCancellation(job: job, reason: reason)])
  }

  /// Cancels jobs; returns when the broker has confirmed all of it, though the server may be away: it is done as soon as the
  /// server reads it. A job that has ended by then stays as it is.
  ///
  /// - Throws: ``JobProducerError`` that lists the jobs whose cancellation the broker did not confirm.
  public func cancel(_ cancellations: [JobCancellation]) async throws(JobProducerError) {
    try await publish(
      cancellations.map { letter(CancelMessage.message($0), about: $0.job, key: "cancel") })
  }

  private typealias Letter = (id: JobID, publication: Publication)

  private func letter(_ message: Message, about job: JobID, key: String) -> Letter {
    (job, Publication(message, exchange: names.submit, routingKey: key, mandatory: true))
  }

  private func publish(_ letters: [Letter]) async throws(JobProducerError) {
    var pending = letters
    var verdicts: [PublishVerdict] = []
    for _ in 0..<Self.attempts where !pending.isEmpty {
      verdicts = await connection.publish(pending.map(\.publication))
      pending = zip(pending, verdicts).filter { $0.1 != .confirmed }.map(\.0)
    }
    if !pending.isEmpty {
      throw JobProducerError(
        jobs: pending.map(\.id), verdicts: verdicts.filter { $0 != .confirmed })
    }
  }
}

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
