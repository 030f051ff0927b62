import Testing

@testable import Jobs

@Suite("Suspending, resuming and locking")
struct JobSuspendTests {
  @Test(
    "suspending leads to rest at once, through the worker, nowhere, or is refused",
    arguments: JobStatus.allCases)
  func suspend(status: JobStatus) throws {
    var job = try Job.fixture(status: status)
    let before = job
    let decision = job.suspend(at: .later)
    switch status {
    case .initializing, .waiting:
      #expect(decision == .suspended)
      #expect(job.status == .suspended)
    case .running, .locked, .suspending:
      #expect(decision == .tell(.first, attempt: 1))
      #expect(job.status == .suspending)
    case .suspended:
      #expect(decision == .pointless)
      #expect(job == before)
    case .canceling, .resuming, .skipped, .canceled, .failed, .timedOut, .completed:
      #expect(decision == .rejected(StatusTransitionError(from: status, to: .suspending)))
      #expect(job == before)
    }
  }

  @Test("resuming leads back to waiting, nowhere, or is refused", arguments: JobStatus.allCases)
  func resume(status: JobStatus) throws {
    var job = try Job.fixture(status: status)
    let before = job
    let decision = job.resume(at: .later)
    switch status {
    case .suspended, .resuming:
      #expect(decision == .resumed)
      #expect(job.status == .waiting)
      #expect(job.scheduledAt == .later)
    case .initializing, .waiting, .running, .locked:
      #expect(decision == .pointless)
      #expect(job == before)
    case .canceling, .suspending, .skipped, .canceled, .failed, .timedOut, .completed:
      #expect(decision == .rejected(StatusTransitionError(from: status, to: .resuming)))
      #expect(job == before)
    }
  }

  @Test("a suspended job that was for later is still for later when it is resumed")
  func scheduled() throws {
    var job = try Job.fixture(status: .suspended)
    job.scheduledAt = Timestamp(milliseconds: 9000)
    _ = job.resume(at: .later)
    #expect(job.scheduledAt == Timestamp(milliseconds: 9000))
  }

  @Test(
    "a suspending job is suspended when its attempt was stopped or has failed, and ends otherwise",
    arguments: [
      (JobOutcome.canceled, JobStatus.suspended), (.returned, .suspended),
      (.failed(error: "e", permanent: true), .suspended), (.completed(result: nil), .completed),
      (.timedOut(error: "t"), .timedOut), (.skipped(reason: "s"), .skipped),
    ])
  func outcome(outcome: JobOutcome, status: JobStatus) throws {
    var job = try Job.fixture(status: .suspending)
    _ = job.apply(
      JobReport(job: job.id, attempt: 1, worker: .first, content: .ended(outcome)), at: .later,
      chance: 0)
    #expect(job.status == status)
  }

  @Test(
    "a snapshot is kept for the next attempt, over a loss of the worker, and forgotten at the end")
  func snapshot() throws {
    var job = try Job.fixture(status: .running)
    _ = job.apply(
      JobReport(job: job.id, attempt: 1, worker: .first, content: .snapshot(["page": 3])),
      at: .later, chance: 0)
    job.loseWorker(at: .later, poisonLimit: 5)
    let assignment = job.start(by: .second, claim: .second, at: .later)
    #expect(assignment?.snapshot == ["page": 3])
    // The first worker's is late.
    let late = job.apply(
      JobReport(job: job.id, attempt: 1, worker: .first, content: .snapshot(["page": 4])),
      at: .later, chance: 0)
    #expect(late == .fenced)
    #expect(job.snapshot == ["page": 3])
    _ = job.apply(
      JobReport(
        job: job.id, attempt: 2, worker: .second, content: .ended(.completed(result: nil))),
      at: .later, chance: 0)
    #expect(job.snapshot == nil)
  }

  @Test(
    "only a running job is locked, and what is locked is unlocked", arguments: JobStatus.allCases)
  func lock(status: JobStatus) throws {
    var job = try Job.fixture(status: status)
    let other = JobID()
    let refusal = job.lock(by: other, at: .later)
    guard status == .running || status == .locked else {
      #expect(refusal == .status(status))
      #expect(job.lockedBy == nil)
      return
    }
    #expect(refusal == nil)
    #expect(job.status == .locked)
    #expect(job.lockedBy == other)
    let again = job.unlock(at: .later)
    #expect(again == nil)
    #expect(job.status == .running)
    #expect(job.lockedBy == nil)
  }

  @Test("an initializing job waits when its callback has returned, and fails when that has thrown")
  func initialize() throws {
    var job = try Job.fixture(status: .initializing)
    var refused = job
    job.finishInitialization(at: .later)
    #expect(job.status == .waiting)
    refused.failInitialization("no", at: .later)
    #expect(refused.status == .failed)
    #expect(refused.error == "no")
    // Canceled meanwhile, it stays so.
    var canceled = try Job.fixture(status: .canceled)
    canceled.finishInitialization(at: .later)
    canceled.failInitialization("no", at: .later)
    #expect(canceled.status == .canceled)
  }
}
