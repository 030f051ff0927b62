import AMQP
import Foundation
import JobServer
import JobTransport
import Jobs
import Synchronization
import TestSupport
import Testing

/// A report that the broker has confirmed may be lost all the same: somebody purges the queue of reports. What the server
/// does about it is seen here with a worker that is played by the test.
@Suite("A lost report", .needsBroker, .timeLimit(.minutes(2)))
struct LostReportTests {
  /// Claims a job, loses its report, and answers the server's questions as a worker would.
  ///
  /// - Parameters:
  ///   - state: what the worker says of each attempt that it is asked about.
  ///   - reportAgain: what it does when it is asked for a report.
  private func lose(
    state: @escaping @Sendable (RunningAttempt) -> AttemptState,
    reportAgain:
      @escaping @Sendable (AuthorityHarness, WorkerID, RunningAttempt) async throws ->
      Void,
    _ body: @escaping @Sendable (AuthorityHarness, JobID) async throws -> Void
  ) async throws {
    try await AuthorityHarness.with(.broker, audit: .milliseconds(100)) { harness in
      let worker = try await harness.worker()
      let commands = try await harness.connection.consume(
        Subscription(queue: harness.names.worker(worker), prefetch: 0, noAck: true))
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          for try await deliveries in commands {
            for message in deliveries.map(\.message) {
              switch try WireCoding.command(message) {
              case .confirm(let attempts):
                var reply = try WireCoding.message(ControlReply.attempts(attempts.map(state)))
                reply.properties.correlationID = message.properties.correlationID
                let address = try #require(message.properties.replyTo)
                _ = await harness.connection.publish(
                  Publication(reply, exchange: "", routingKey: address))
              case .reportAgain(let job, let attempt):
                try await reportAgain(
                  harness, worker, RunningAttempt(job: job, attempt: attempt))
              default: break
              }
            }
          }
        }
        let id = try await harness.job()
        _ = try await harness.claim(1, by: worker)
        #expect(try await harness.state(id).status == .running)
        try await body(harness, id)
        group.cancelAll()
      }
    }
  }

  @Test("is asked for again, and the job ends with its result")
  func askedForAgain() async throws {
    try await lose(
      state: { _ in .reported },
      reportAgain: { harness, worker, attempt in
        try await harness.report(
          attempt.job, attempt.attempt, by: worker, .ended(.completed(result: ["sum": 3])))
      },
      { harness, id in
        let job = try await harness.end(of: id)
        #expect(job.status == .completed)
        #expect(job.result == ["sum": 3])
        #expect(job.attempt == 1)
        #expect(job.lostWorkers == 0)
      })
  }

  @Test("that the worker does not keep any longer makes its attempt a lost one")
  func unknown() async throws {
    try await lose(
      state: { _ in .unknown },
      reportAgain: { _, _, attempt in Issue.record("asked for \(attempt), which is unknown") },
      { harness, id in
        // With a limit of two lost workers the job waits again first.
        let job = try await harness.state(id, when: { $0.status != .running })
        #expect(job.status == .waiting)
        #expect(job.lostWorkers == 1)
      })
  }

  @Test("that does not come though it is asked for makes its attempt a lost one, in the end")
  func inVain() async throws {
    let asked = Mutex(0)
    try await lose(
      state: { _ in .reported },
      reportAgain: { _, _, _ in asked.withLock { $0 += 1 } },
      { harness, id in
        let job = try await harness.state(id, when: { $0.status != .running })
        #expect(job.status == .waiting)
        #expect(job.lostWorkers == 1)
        #expect(asked.withLock(\.self) == 5)
      })
  }

  @Test("is not suspected of an attempt that runs")
  func running() async throws {
    let questions = Mutex(0)
    try await lose(
      state: { _ in
        questions.withLock { $0 += 1 }
        return .running
      },
      reportAgain: { _, _, attempt in Issue.record("asked for \(attempt), which runs") },
      { harness, id in
        while questions.withLock(\.self) < 3 { try await Task.sleep(for: .milliseconds(20)) }
        let job = try await harness.state(id)
        #expect(job.status == .running)
        #expect(job.attempt == 1)
      })
  }
}

extension AuthorityHarness {
  /// The job, once it is as it should be; as it is after 30 seconds, otherwise.
  fileprivate func state(_ id: JobID, when isReached: (Job) -> Bool) async throws -> Job {
    let deadline = ContinuousClock.now + .seconds(30)
    while true {
      let job = try await state(id)
      if isReached(job) || .now > deadline { return job }
      try await Task.sleep(for: .milliseconds(50))
    }
  }
}
