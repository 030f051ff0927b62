import AMQP
import Foundation
import JobStore
import JobTransport
import Jobs
import Testing

@testable import JobServer

@Suite("Operations on many jobs", .timeLimit(.minutes(2))) struct BulkRunnerTests {
  private static let size = BulkRunner.stepSize

  private func begin(
    _ fixture: ServerFixture, _ action: BulkAction = .cancel, _ filter: BulkFilter = BulkFilter(),
    tenant: UUID = .zero, rate: Double? = nil
  ) async throws -> BulkOperation {
    try await fixture.service.begin(
      BulkRequest(action: action, filter: filter, reason: "enough", rate: rate), tenant: tenant,
      key: nil
    ).operation
  }

  private func current(
    _ operation: BulkOperation, in fixture: ServerFixture
  ) async throws -> BulkOperation {
    try await fixture.service.operation(operation.id, tenant: operation.tenantID)
  }

  /// Lets time pass until it has ended.
  @discardableResult
  private func ended(
    _ operation: BulkOperation, in fixture: ServerFixture, passing: Duration = .milliseconds(10)
  ) async throws -> BulkOperation {
    try await fixture.clock.passing(by: passing) {
      let deadline = ContinuousClock.now + .seconds(30)
      while try await current(operation, in: fixture).status == .running {
        try #require(ContinuousClock.now < deadline, "it does not end within 30 s")
        await Task.yield()
      }
    }
    return try await current(operation, in: fixture)
  }

  private func canceled(_ fixture: ServerFixture) -> [JobID] {
    fixture.commits.value.flatMap(\.transitions).filter { $0.to == .canceled }.map(\.job)
  }

  @Test("goes through all jobs in steps, each of which leaves time to others")
  func steps() async throws {
    let fixture = try await ServerFixture()
    let jobs = try await fixture.jobs(2 * Self.size + 1)
    let operation = try await begin(fixture)
    #expect(operation.matching == jobs.count)
    try await fixture.run([BulkRunner(service: fixture.service)]) {
      for done in [Self.size, 2 * Self.size] {
        // It sleeps only when the step is committed.
        try await fixture.clock.state.until("a pause") { $0.sleeping == 1 }
        #expect(canceled(fixture).count == done)
        #expect(try await current(operation, in: fixture).done == done)
        // Whoever else writes is served at once.
        _ = try await fixture.jobs(1) { $0.status = .completed }
        fixture.clock.advance(by: BulkRunner.shortestPause)
      }
      let end = try await ended(operation, in: fixture)
      #expect((end.done, end.skipped, end.failed) == (jobs.count, 0, 0))
      #expect(end.status == .completed)
      #expect(Set(canceled(fixture)) == Set(jobs.map(\.id)))
      #expect(canceled(fixture).count == jobs.count)
    }
  }

  @Test("is gone on with where another server has stopped, and no job is done twice")
  func goesOn() async throws {
    let fixture = try await ServerFixture()
    let jobs = try await fixture.jobs(2 * Self.size)
    let operation = try await begin(fixture)
    try await fixture.run([BulkRunner(service: fixture.service)]) {
      try await fixture.clock.state.until("a pause") { $0.sleeping == 1 }
    }
    #expect(try await current(operation, in: fixture).done == Self.size)
    try await fixture.run([BulkRunner(service: fixture.service)]) {
      let end = try await ended(operation, in: fixture)
      #expect(end.done == jobs.count)
      #expect(canceled(fixture).count == jobs.count)
    }
  }

  @Test("tries again, later, what the store did not take, and loses nothing")
  func failure() async throws {
    let fixture = try await ServerFixture()
    let jobs = try await fixture.jobs(3)
    let operation = try await begin(fixture)
    try await fixture.breakStore()
    try await fixture.run([BulkRunner(service: fixture.service)]) {
      try await fixture.clock.state.until("the pause") { $0.sleeping == 1 }
      #expect(fixture.log.counters.storeFailures == 1)
      #expect(try await current(operation, in: fixture).status == .running)
      try await fixture.mendStore()
      let end = try await ended(operation, in: fixture)
      #expect(end.done == jobs.count)
      #expect(canceled(fixture).count == jobs.count)
    }
  }

  @Test("does no more jobs in a second than it may")
  func rate() async throws {
    let fixture = try await ServerFixture()
    try await fixture.jobs(25)
    let operation = try await begin(fixture, rate: 10)
    try await fixture.run([BulkRunner(service: fixture.service)]) {
      for done in [10, 20] {
        try await fixture.clock.state.until("a pause") { $0.sleeping == 1 }
        #expect(canceled(fixture).count == done)
        // Whoever wakes it does not make it faster.
        fixture.service.bulkWork.raise()
        fixture.clock.advance(by: .milliseconds(999))
        try await fixture.clock.state.until("a pause") { $0.sleeping == 1 }
        #expect(canceled(fixture).count == done)
        fixture.clock.advance(by: .milliseconds(1))
        try await fixture.commits.until("more") { commits in
          commits.flatMap(\.transitions).count { $0.to == .canceled } > done
        }
      }
      #expect(try await ended(operation, in: fixture).done == 25)
    }
  }

  @Test("does no more jobs in a second where another server has begun, however often one starts")
  func rateOverRestarts() async throws {
    let fixture = try await ServerFixture()
    try await fixture.jobs(25)
    let operation = try await begin(fixture, rate: 10)
    for _ in 0..<3 {
      try await fixture.run([BulkRunner(service: fixture.service)]) {
        try await fixture.clock.state.until("a pause") { $0.sleeping == 1 }
        #expect(canceled(fixture).count == 10)
      }
      fixture.clock.advance(by: .milliseconds(300))
    }
    try await fixture.run([BulkRunner(service: fixture.service)]) {
      try await fixture.clock.state.until("a pause") { $0.sleeping == 1 }
      fixture.clock.advance(by: .milliseconds(99))
      try await fixture.clock.state.until("a pause") { $0.sleeping == 1 }
      #expect(canceled(fixture).count == 10)
      fixture.clock.advance(by: .milliseconds(1))
      try await fixture.commits.until("the next step") { commits in
        commits.flatMap(\.transitions).count { $0.to == .canceled } == 20
      }
      #expect(try await ended(operation, in: fixture).done == 25)
    }
  }

  @Test("tenants take turns, and so do the operations of one, so that a slow one holds up nobody")
  func turns() async throws {
    let fixture = try await ServerFixture()
    let other = UUID()
    try await fixture.jobs(3 * Self.size)
    _ = try await fixture.jobs(2, type: "test:other")
    let foreign = try Job.sample(of: other)
    _ = try await fixture.store.insert(NewJob(foreign, submitted: [:]), at: fixture.clock.now)
    let large = try await begin(fixture, .cancel, BulkFilter(type: try JobTypeID("test:job")))
    let slow = try await begin(
      fixture, .delete, BulkFilter(type: try JobTypeID("test:other")), rate: 0.01)
    let small = try await begin(fixture, tenant: other)
    try await fixture.run([BulkRunner(service: fixture.service)]) {
      // The first of each tenant.
      try await fixture.clock.state.until("a pause") { $0.sleeping == 1 }
      #expect(try await current(large, in: fixture).done == Self.size)
      #expect(try await current(small, in: fixture).done == 1)
      fixture.clock.advance(by: BulkRunner.shortestPause)
      try await fixture.commits.until("the slow one has had its turn") { commits in
        commits.flatMap(\.deleted).count == 1
      }
      #expect(try await ended(large, in: fixture).done == 3 * Self.size)
      #expect(try await ended(small, in: fixture).status == .completed)
      #expect(try await current(slow, in: fixture).status == .running)
    }
  }

  @Test("ends when it is canceled; what it has done stays done")
  func cancel() async throws {
    let fixture = try await ServerFixture()
    try await fixture.jobs(2 * Self.size)
    let operation = try await begin(fixture)
    try await fixture.run([BulkRunner(service: fixture.service)]) {
      try await fixture.clock.state.until("a pause") { $0.sleeping == 1 }
      let canceled = try await fixture.service.cancelOperation(operation.id, tenant: .zero)
      #expect((canceled.status, canceled.done) == (.canceled, Self.size))
      // The next operation has its turn, and the canceled one has not.
      let next = try await begin(fixture, .delete, BulkFilter(statuses: [.canceled]))
      #expect(try await ended(next, in: fixture).done == Self.size)
      #expect(try await current(operation, in: fixture) == canceled)
      #expect(self.canceled(fixture).count == Self.size)
    }
  }

  @Test("tells the workers of jobs that run")
  func tells() async throws {
    let fixture = try await ServerFixture()
    let worker = WorkerID(rawValue: "w")
    let jobs = try await fixture.running(3, by: worker)
    let operation = try await begin(fixture)
    try await fixture.run([BulkRunner(service: fixture.service)]) {
      #expect(try await ended(operation, in: fixture).done == 3)
      try await fixture.broker.state.until("all are told") {
        $0.offered(to: "jobs.worker.w").count == 3
      }
      let commands = try fixture.broker.state.value.offered(to: "jobs.worker.w").map {
        try WireCoding.command($0.message)
      }
      #expect(commands == jobs.map { .cancel(job: $0.id, attempt: 1, reason: "enough") })
      for job in jobs { #expect(try await fixture.status(job) == .canceling) }
    }
  }

  @Test("retries each job as a new one, and says which are not accepted any more")
  func retry() async throws {
    let fixture = try await ServerFixture()
    let failed = try await fixture.jobs(3) { $0.status = .failed }
    let gone = try await fixture.jobs(1, type: "no:such") { $0.status = .timedOut }[0]
    try await fixture.jobs(2) { $0.status = .completed }
    _ = try await fixture.service.retry(failed[0].id, tenant: .zero)
    let operation = try await begin(fixture, .retry)
    #expect(operation.matching == 4)
    try await fixture.run([BulkRunner(service: fixture.service)]) {
      let end = try await ended(operation, in: fixture)
      #expect((end.done, end.skipped, end.failed) == (2, 1, 1))
      #expect(end.failures.map(\.job) == [gone.id])
      #expect(end.failures[0].error.contains("no job type no:such"))
      for job in failed {
        let new = try #require(
          try await fixture.service.job(idempotencyKey: job.retryKey.uuid, tenant: .zero))
        #expect(new.retryOf == job.id)
        #expect(new.status == .waiting)
      }
    }
  }

  @Test("leaves alone what cannot be suspended, and has callbacks called first where there are any")
  func callbacks() async throws {
    let fixture = try await ServerFixture()
    let type = try JobTypeID("test:careful")
    try await fixture.catalog.add(
      queues: [], groups: [],
      types: [
        JobTypeDescription(
          id: type, description: "", timeout: .zero, retry: RetryPolicy(maxRetries: 0),
          params: [:], schema: .anything, suspendable: true,
          callbacks: [.suspend, .resume])
      ])
    let plain = try await fixture.jobs(2)
    let careful = try await fixture.jobs(
      BulkRunner.mostCallbacks + 3, type: "test:careful")
    let refused = careful[1].id
    fixture.callbacks.set { $0.id == refused ? .failed("not now") : .done }
    let operation = try await begin(fixture, .suspend)
    try await fixture.run([BulkRunner(service: fixture.service)]) {
      let end = try await ended(operation, in: fixture)
      #expect((end.done, end.skipped, end.failed) == (careful.count - 1, 2, 1))
      #expect(end.failures.map(\.job) == [refused])
      #expect(end.failures[0].error.contains("not now"))
      for job in plain { #expect(try await fixture.status(job) == .waiting) }
      fixture.callbacks.set { _ in .done }
      let back = try await ended(try await begin(fixture, .resume), in: fixture)
      #expect(back.done == careful.count - 1)
      for job in careful { #expect(try await fixture.status(job) == .waiting) }
    }
  }

  @Test("counts what was done beside a job that the store did not take, and tries only that again")
  func failureBesideCallbacks() async throws {
    let fixture = try await ServerFixture()
    try await fixture.catalog.add(
      queues: [], groups: [],
      types: [
        JobTypeDescription(
          id: try JobTypeID("test:careful"), description: "", timeout: .zero,
          retry: RetryPolicy(maxRetries: 0), params: [:], schema: .anything,
          suspendable: true, callbacks: [.suspend])
      ])
    let jobs = try await fixture.jobs(5, type: "test:careful")
    let unlucky = jobs[1].id
    let calls = Watched(0)
    fixture.callbacks.set { job in
      calls.update { $0 += 1 }
      guard job.id == unlucky, calls.value <= jobs.count else { return .done }
      // The others are done by then.
      try? await fixture.commits.until("all others are suspended") { commits in
        commits.flatMap(\.transitions).count { $0.to == .suspended } == jobs.count - 1
      }
      try? await fixture.breakStore()
      return .done
    }
    let operation = try await begin(fixture, .suspend)
    try await fixture.run([BulkRunner(service: fixture.service)]) {
      try await fixture.clock.advance(by: BulkRunner.shortestPause, whenSleeping: 1)
      // What was done is counted all the same, by an update that the fault leaves alone.
      try await fixture.clock.state.until("the pause after the failure") { $0.sleeping == 1 }
      #expect(try await current(operation, in: fixture).done == jobs.count - 1)
      try await fixture.mendStore()
      let end = try await ended(operation, in: fixture)
      #expect((end.done, end.skipped, end.failed) == (jobs.count, 0, 0))
      #expect(calls.value == jobs.count + 1)
      for job in jobs { #expect(try await fixture.status(job) == .suspended) }
    }
  }

  @Test("a callback that does not end holds up no other operation")
  func slowCallback() async throws {
    let fixture = try await ServerFixture()
    try await fixture.catalog.add(
      queues: [], groups: [],
      types: [
        JobTypeDescription(
          id: try JobTypeID("test:careful"), description: "", timeout: .zero,
          retry: RetryPolicy(maxRetries: 0), params: [:], schema: .anything,
          suspendable: true, callbacks: [.suspend])
      ])
    let stuck = try await fixture.jobs(1, type: "test:careful")[0]
    fixture.callbacks.set { _ in
      await MemoryBroker.silence()
      return .noAnswer
    }
    let slow = try await begin(fixture, .suspend)
    try await fixture.run([BulkRunner(service: fixture.service)]) {
      try await fixture.jobs(3)
      let quick = try await begin(fixture, .cancel, BulkFilter(type: try JobTypeID("test:job")))
      #expect(try await ended(quick, in: fixture).done == 3)
      #expect(try await current(slow, in: fixture).status == .running)
      #expect(try await fixture.status(stuck) == .waiting)
    }
  }
}

extension Job {
  fileprivate static func sample(of tenant: UUID) throws -> Job {
    Job(
      id: JobID(), tenantID: tenant, userID: .zero, idempotencyKey: UUID(),
      type: try JobTypeID("test:job"), queue: .compute, params: [:], timeout: .zero,
      retry: RetryPolicy(maxRetries: 0), scheduledAt: ManualClock.start,
      createdAt: ManualClock.start)
  }
}
