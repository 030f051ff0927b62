import Jobs
import TestSupport
import Testing

@testable import JobWorker

@Suite(.needsBroker, .timeLimit(.minutes(2))) struct WorkerControlTests {
  /// A type that runs until it is told to end, and tells when it runs.
  private func endless(_ started: Signal) throws -> RegisteredJobType {
    try testType { _ in
      started.fire()
      await untilCancelled()
      try Task.checkCancellation()
      return nil
    }
  }

  @Test func cancelEndsARunningJob() async throws {
    let started = Signal()
    let type = try endless(started)
    try await BrokerHarness.with { harness in
      let id = try await harness.submit(try waitingJob())
      try await harness.withWorker([type]) { worker in
        #expect(await started.wait(for: .seconds(20)))
        harness.authority.change(id) { _ = $0.cancel(at: .now) }
        try await harness.command(.cancel(job: id, attempt: 1), to: worker.id)
        #expect(await harness.authority.waitForOutcomes())
      }
      #expect(harness.authority.job(id)?.status == .canceled)
      #expect(try await harness.isWorkedOff())
    }
  }

  @Test func stopEndsAJobWithoutAReport() async throws {
    let started = Signal()
    let ended = Signal()
    let type = try testType { _ in
      started.fire()
      await untilCancelled()
      ended.fire()
      return nil
    }
    try await BrokerHarness.with { harness in
      let id = try await harness.submit(try waitingJob())
      try await harness.withWorker([type]) { worker in
        #expect(await started.wait(for: .seconds(20)))
        try await harness.command(.stop(job: id, attempt: 1), to: worker.id)
        #expect(await ended.wait(for: .seconds(20)))
      }
      #expect(harness.authority.reports.all.isEmpty)
      #expect(try await harness.isWorkedOff())
    }
  }

  @Test func confirmTellsWhatTheWorkerHas() async throws {
    let started = Signal()
    let release = Signal()
    let type = try testType { _ in
      started.fire()
      _ = await release.wait(for: .seconds(60))
      return nil
    }
    try await BrokerHarness.with { harness in
      let id = try await harness.submit(try waitingJob())
      try await harness.withWorker([type]) { worker in
        #expect(await started.wait(for: .seconds(20)))
        try await harness.expect(.unknown, of: JobID(), by: worker.id)
        try await harness.expect(.running, of: id, by: worker.id)
        release.fire()
        #expect(await harness.authority.waitForOutcomes())
        #expect(await harness.isReported(id, by: worker.id))
        // Of another attempt it knows nothing.
        try await harness.expect(.unknown, of: id, attempt: 2, by: worker.id)
      }
    }
  }

  @Test func ordersAndQuestionsThatOvertakeAClaimsAnswerAreNotLost() async throws {
    let runs = Recorder<JobID>()
    let type = try testType { context in
      runs.add(context.jobID)
      return nil
    }
    try await BrokerHarness.with { harness in
      let gate = Signal()
      harness.authority.hold(until: gate)
      let id = try await harness.submit(try waitingJob())
      let stranger = JobID()
      try await harness.withWorker([type]) { worker in
        #expect(await harness.authority.claims.wait { !$0.isEmpty })
        harness.authority.change(id) { _ = $0.cancel(at: .now) }
        try await harness.command(.cancel(job: id, attempt: 1), to: worker.id)
        // Either may be what the claim brings.
        try await harness.expect(.running, of: id, by: worker.id)
        try await harness.expect(.running, of: stranger, by: worker.id)
        gate.fire()
        #expect(await harness.authority.waitForOutcomes())
        #expect(await harness.isReported(id, by: worker.id))
        try await harness.expect(.unknown, of: stranger, by: worker.id)
      }
      #expect(runs.all.isEmpty)
      #expect(harness.authority.outcomes == [.canceled])
      #expect(harness.authority.job(id)?.status == .canceled)
      #expect(try await harness.isWorkedOff())
    }
  }

  @Test func anOutcomeIsReportedAgainWhenItIsAskedFor() async throws {
    let type = try testType { _ in ["sum": 3] }
    try await BrokerHarness.with { harness in
      let id = try await harness.submit(try waitingJob())
      try await harness.withWorker([type]) { worker in
        #expect(await harness.authority.waitForOutcomes())
        #expect(await harness.isReported(id, by: worker.id))
        try await harness.command(.reportAgain(job: id, attempt: 1), to: worker.id)
        #expect(await harness.authority.waitForOutcomes(2))
        // One that it does not have, it cannot report; and it goes on.
        try await harness.command(.reportAgain(job: id, attempt: 2), to: worker.id)
        try await harness.expect(.reported, of: id, by: worker.id)
      }
      let completed = JobOutcome.completed(result: ["sum": 3])
      #expect(harness.authority.outcomes == [completed, completed])
    }
  }

  @Test func aWorkerAnnouncesItselfAndSaysFarewell() async throws {
    let type = try testType { _ in nil }
    try await BrokerHarness.with { harness in
      try await harness.withWorker([type], capacity: 3) { worker in
        guard case .announcement(let announcement) = harness.mail.all.first else {
          Issue.record("no announcement but \(harness.mail.all)")
          return
        }
        #expect(announcement.worker == worker.id)
        #expect(announcement.queues == [JobQueue(name: .compute, capacity: 3)])
        #expect(announcement.groups.map(\.name) == ["test"])
        #expect(announcement.types.map(\.id.description) == ["test:job"])
        #expect(announcement.epoch == 1)
        #expect(announcement.parked == nil)
        try await harness.command(.announce, to: worker.id)
        #expect(await harness.announced(worker.id, times: 2))
        #expect(await worker.shutDown())
        #expect(await harness.mail.wait { $0.last == .farewell(worker.id) })
        try await harness.expect(nil, of: JobID(), by: worker.id)
      }
    }
  }

  @Test func anAnnouncementTellsWhatRuns() async throws {
    let started = Signal()
    let release = Signal()
    let type = try testType { _ in
      started.fire()
      _ = await release.wait(for: .seconds(60))
      return nil
    }
    try await BrokerHarness.with { harness in
      try await harness.withWorker([type]) { worker in
        let id = try await harness.submit(try waitingJob())
        #expect(await started.wait(for: .seconds(20)))
        try await harness.command(.announce, to: worker.id)
        let attempt = RunningAttempt(job: id, attempt: 1)
        // How often it has announced itself before depends on how soon it got its lease.
        #expect(
          await harness.mail.wait(for: .seconds(60)) { messages in
            messages.contains { message in
              if case .announcement(let announcement) = message {
                announcement.running == [attempt]
              } else {
                false
              }
            }
          })
        release.fire()
        #expect(await harness.authority.waitForOutcomes())
        guard case .announcement(let first) = harness.mail.all.first else {
          Issue.record("no announcement but \(harness.mail.all)")
          return
        }
        #expect(first.running.isEmpty)
      }
    }
  }

  @Test func operatorsSeeWhoIsWho() async throws {
    let type = try testType { _ in nil }
    try await BrokerHarness.with { harness in
      try await harness.withWorker([type]) { worker in
        let names = try await harness.broker.control("list_connections", "client_properties")
        #expect(names.contains("warren worker \(worker.id) publishing"))
        #expect(names.contains("warren worker \(worker.id) consuming"))
      }
    }
  }
}
