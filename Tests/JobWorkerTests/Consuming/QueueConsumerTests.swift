import Jobs
import TestSupport
import Testing

@testable import JobWorker

/// The consuming side with a queue and a server in memory: what the broker has no part in.
@Suite(.timeLimit(.minutes(3))) struct QueueConsumerTests {
  private func harness(
    _ types: [RegisteredJobType], capacity: Int = 1,
    configure: (inout LaneState.Settings) -> Void = { _ in }
  ) throws -> LaneHarness<MemoryAuthority> {
    try LaneHarness(MemoryAuthority(), types: types, capacity: capacity, configure: configure)
  }

  @Test func jobsAreClaimedInSetsAndTheirTicketsAcknowledged() async throws {
    let harness = try harness([try testType { _ in nil }], capacity: 10)
    for _ in 0..<100 { harness.authority.add(try waitingJob()) }
    harness.queue.publish(100)
    let isOver = try await harness.run {
      #expect(await harness.authority.waitForOutcomes(100))
      #expect(await harness.queue.events.wait { $0.last?.unacked == 0 && $0.last?.ready == 0 })
    }
    #expect(isOver)
    #expect(harness.queue.faults == 0)
    let claims = harness.authority.claims.all
    #expect(claims.first?.count == 10)
    #expect(claims.map(\.count).reduce(0, +) >= 100)
    #expect(Set(claims.map(\.claim)).count == claims.count)
    #expect(claims.allSatisfy { $0.queue == .compute && $0.epoch == 1 && !$0.isRepeated })
    #expect(harness.deadlines.count == 0)
  }

  @Test func aClaimWithoutAnAnswerIsRepeatedUnderTheSameID() async throws {
    let harness = try harness([try testType { _ in nil }])
    harness.authority.isAway = true
    harness.submit(try waitingJob())
    let isOver = try await harness.run {
      #expect(await harness.authority.claims.wait { $0.count == 2 })
      harness.authority.isAway = false
      #expect(await harness.authority.waitForOutcomes())
    }
    #expect(isOver)
    let claims = harness.authority.claims.all
    #expect(Set(claims.map(\.claim)).count == 1)
    #expect(claims.map(\.isRepeated) == [false] + claims.dropFirst().map { _ in true })
  }

  @Test func aClaimThatWasGrantedWithoutTheWorkersHearingOfItRunsOnce() async throws {
    let runs = Recorder<JobID>()
    let harness = try harness([
      try testType { context in
        runs.add(context.jobID)
        return nil
      }
    ])
    let job = try waitingJob()
    harness.authority.isAway = true
    harness.submit(job)
    let isOver = try await harness.run {
      #expect(await harness.authority.claims.wait { !$0.isEmpty })
      let claim = harness.authority.claims.all[0]
      harness.authority.change(job.id) { job in
        _ = job.start(by: claim.worker, claim: claim.claim, at: .now)
      }
      harness.authority.isAway = false
      #expect(await harness.authority.waitForOutcomes())
    }
    #expect(isOver)
    #expect(runs.all == [job.id])
    #expect(harness.authority.job(job.id)?.attempt == 1)
  }

  @Test func aWorkerThatIsNotKnownYetAsksAgainAndKeepsItsEpoch() async throws {
    let harness = try harness([try testType { _ in nil }])
    // Its announcement is on its way.
    harness.authority.isUnregistered(times: 3)
    harness.submit(try waitingJob())
    let isOver = try await harness.run {
      #expect(await harness.authority.waitForOutcomes())
    }
    #expect(isOver)
    let claims = harness.authority.claims.all
    #expect(claims.count == 4)
    // Each is a new wish, since the one before got nothing.
    #expect(Set(claims.map(\.claim)).count == 4)
    #expect(Set(claims.map(\.epoch)) == [1])
    #expect(harness.announcements.all.isEmpty)
  }

  @Test func aWorkerThatWasTakenForLostAnnouncesItselfUnderANewEpoch() async throws {
    let harness = try harness([try testType { _ in nil }])
    // The broker has had its announcement for long.
    harness.registration.confirm(1, at: .now - .seconds(3))
    harness.authority.demandEpoch(2)
    harness.submit(try waitingJob())
    let isOver = try await harness.run {
      #expect(await harness.announcements.wait { $0 == [2] })
      #expect(await harness.authority.waitForOutcomes())
    }
    #expect(isOver)
    #expect(harness.authority.claims.all.map(\.epoch) == [1, 2])
    #expect(harness.announcements.all == [2])
  }

  @Test func aParkedQueueIsLeftToOthersAndConsumedAgainWhenItIsWoken() async throws {
    let harness = try harness([try testType("mine") { _ in nil }], capacity: 3) {
      $0.parkingTime = .milliseconds(20)
    }
    let isOver = try await harness.run {
      harness.submit(try waitingJob("test:theirs"))
      #expect(await harness.queue.events.wait { $0.last?.kind == .givenBack })
      #expect(harness.consumer.isParked)
      #expect(harness.queue.ready == 1)
      #expect(harness.queue.unacked == 0)

      let own = try waitingJob("test:mine")
      let woken = harness.authority.add(own)
      #expect(woken.count == 1)
      harness.queue.publish()
      await harness.consumer.wake()
      #expect(await harness.authority.waitForOutcomes())
      #expect(harness.authority.job(own.id)?.status == .completed)
    }
    #expect(isOver)
    #expect(harness.queue.ready == 1)
    #expect(harness.queue.faults == 0)
  }

  @Test func aWakeUpBeforeTheAnswerIsNotLost() async throws {
    let harness = try harness([try testType("mine") { _ in nil }], capacity: 3) {
      $0.parkingTime = .seconds(3_600)
    }
    let gate = Signal()
    harness.authority.hold(until: gate)
    let isOver = try await harness.run {
      harness.submit(try waitingJob("test:theirs"))
      #expect(await harness.authority.claims.wait { !$0.isEmpty })
      // The claim has been decided, and its answer is on its way.
      while harness.authority.add(try waitingJob("test:mine")).isEmpty { await Task.yield() }
      await harness.consumer.wake()
      gate.fire()
      #expect(await harness.authority.waitForOutcomes())
    }
    #expect(isOver)
  }

  @Test func theCapacityHoldsOverReconnections() async throws {
    let running = Recorder<Int>()
    let release = Signal()
    let harness = try harness(
      [
        try testType { _ in
          running.add(1)
          _ = await release.wait(for: .seconds(30))
          running.add(-1)
          return nil
        }
      ], capacity: 4)
    for _ in 0..<20 { harness.submit(try waitingJob()) }
    let isOver = try await harness.run {
      #expect(await running.wait { $0.count == 4 })
      for _ in 0..<5 { harness.queue.reconnect() }
      release.fire()
      #expect(await harness.authority.waitForOutcomes(20))
      #expect(await harness.queue.events.wait { $0.last?.unacked == 0 && $0.last?.ready == 0 })
    }
    #expect(isOver)
    var (present, most) = (0, 0)
    for step in running.all {
      present += step
      most = max(most, present)
    }
    #expect(running.all.count == 40)
    #expect(most == 4)
    #expect(harness.queue.faults == 0)
  }

  @Test func aLongJobIsDetachedAndKeepsItsSlot() async throws {
    let (started, release) = (Signal(), Signal())
    let harness = try harness([
      try testType { _ in
        started.fire()
        _ = await release.wait(for: .seconds(30))
        return nil
      }
    ]) { $0.detachAfter = .milliseconds(50) }
    harness.submit(try waitingJob())
    let isOver = try await harness.run {
      #expect(await started.wait(for: .seconds(10)))
      #expect(await harness.queue.events.wait { $0.last?.kind == .cancelled })
      harness.submit(try waitingJob())
      // Nobody listens.
      #expect(harness.queue.ready == 1)
      #expect(harness.queue.unacked == 0)
      release.fire()
      #expect(await harness.authority.waitForOutcomes(2))
    }
    #expect(isOver)
    #expect(harness.queue.faults == 0)
  }

  @Test func anOrderThatOvertakesTheAnswerReachesTheJob() async throws {
    let runs = Recorder<JobID>()
    let harness = try harness([
      try testType { context in
        runs.add(context.jobID)
        return nil
      }
    ])
    let gate = Signal()
    harness.authority.hold(until: gate)
    let job = try waitingJob()
    harness.submit(job)
    let isOver = try await harness.run {
      #expect(await harness.authority.claims.wait { !$0.isEmpty })
      harness.attempts.tell(RunningAttempt(job: job.id, attempt: 1), .cancel)
      gate.fire()
      #expect(await harness.authority.waitForOutcomes())
    }
    #expect(isOver)
    #expect(harness.authority.outcomes == [.canceled])
    #expect(runs.all.isEmpty)
  }

  @Test func aJobThatIsGrantedToADrainingWorkerIsGivenBack() async throws {
    let runs = Recorder<JobID>()
    let harness = try harness(
      [
        try testType { context in
          runs.add(context.jobID)
          return nil
        }
      ], capacity: 2)
    let gate = Signal()
    harness.authority.hold(until: gate)
    let job = try waitingJob()
    harness.submit(job)
    let isOver = try await harness.run {
      #expect(await harness.authority.claims.wait { !$0.isEmpty })
      // The next one is unclaimed.
      harness.queue.publish()
      harness.attempts.drain()
      harness.lifecycle.advance(to: .draining)
      #expect(await harness.queue.events.wait { $0.last?.kind == .givenBack })
      gate.fire()
    }
    #expect(isOver)
    #expect(runs.all.isEmpty)
    #expect(harness.authority.outcomes == [.returned])
    #expect(harness.authority.job(job.id)?.status == .waiting)
    // The ticket of the job that was given back is acknowledged, the other one is not.
    #expect(harness.queue.ready == 1)
    #expect(harness.queue.unacked == 0)
  }

  @Test func anotherMessageIsDealtWithAndItsSlotIsFreeAgain() async throws {
    let harness = try harness([try testType { _ in nil }])
    harness.queue.publish(3, tickets: false)
    harness.submit(try waitingJob())
    let isOver = try await harness.run {
      #expect(await harness.authority.waitForOutcomes())
    }
    #expect(isOver)
    #expect(harness.others.all == [1, 1, 1])
    #expect(harness.queue.unacked == 0)
  }

  /// Answers with what no server of ours does.
  private struct GenerousAuthority: JobAuthority {
    let memory = MemoryAuthority()
    let assignments: [JobAssignment]

    func claim(_ requests: [ClaimRequest]) async throws(AuthorityError) -> [ClaimAnswer] {
      for request in requests { memory.claims.add(request) }
      return requests.map { _ in
        ClaimAnswer(jobs: memory.claims.all.count == 1 ? assignments : [], rest: .void)
      }
    }

    func lock(_ requests: [LockRequest]) async throws(AuthorityError) -> [LockAnswer] { [] }

    func report(_ reports: [JobReport]) async throws(AuthorityError) {
      try await memory.report(reports)
    }
  }

  @Test func whatIsGrantedBeyondTheSlotsOrOfAnUnknownTypeIsGivenBack() async throws {
    let runs = Recorder<JobID>()
    let type = try testType { context in
      runs.add(context.jobID)
      return nil
    }
    let own = JobAssignment(job: JobID(), type: type.description.id, attempt: 1)
    let unknown = JobAssignment(job: JobID(), type: try JobTypeID("test:other"), attempt: 1)
    let excess = JobAssignment(job: JobID(), type: type.description.id, attempt: 1)
    let harness = try LaneHarness(
      // One of them twice.
      GenerousAuthority(assignments: [own, unknown, own, excess]), types: [type], capacity: 3)
    harness.queue.publish(3)
    let isOver = try await harness.run {
      #expect(await harness.authority.memory.waitForOutcomes(3))
    }
    #expect(isOver)
    #expect(runs.all == [own.job])
    let reports = harness.authority.memory.reports.all
    let returned = reports.filter { $0.outcome == .returned }.map(\.job)
    #expect(Set(returned) == [unknown.job, excess.job])
    #expect(reports.count == 3)
    #expect(harness.queue.unacked == 0)
  }
}
