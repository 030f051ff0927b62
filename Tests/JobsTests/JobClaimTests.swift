import Foundation
import Testing

@testable import Jobs

@Suite("Claims")
struct JobClaimTests {
  private func claim(
    _ job: inout Job, by worker: WorkerID = .first, _ claim: UUID = .first, gone: Bool? = nil,
    at now: Timestamp = .later, poisonLimit: Int = 5
  ) -> Job.ClaimDecision {
    job.claim(by: worker, claim: claim, holderIsGone: gone, at: now, poisonLimit: poisonLimit)
  }

  @Test("a waiting job that is due is run, under a new attempt number")
  func grant() throws {
    var job = try Job.fixture()
    guard case .run(let assignment) = claim(&job) else { throw Unexpected() }
    #expect(assignment.job == job.id)
    #expect(assignment.attempt == 1)
    #expect(assignment.params == ["path": "a"])
    #expect(job.status == .running)
    #expect(job.worker == .first)
    #expect(job.startedAt == .later)
  }

  @Test("a job for later is not run before its time, and at its time it is")
  func due() throws {
    var job = try Job.fixture()
    #expect(claim(&job, at: Timestamp(milliseconds: 999)) == .drop(.notDue))
    #expect(job.status == .waiting)
    guard case .run = claim(&job, at: Timestamp(milliseconds: 1000)) else { throw Unexpected() }
  }

  @Test("asking again with the same claim gives the same answer and changes nothing")
  func idempotence() throws {
    var job = try Job.fixture()
    let first = claim(&job)
    let after = job
    #expect(claim(&job) == first)
    #expect(job == after)
  }

  @Test(
    "the same worker with another claim runs nothing: a new attempt, once its reports are known")
  func lostAnswer() throws {
    var job = try Job.fixture()
    _ = claim(&job, by: .first, .first)
    let before = job
    #expect(claim(&job, by: .first, .second) == .ask(holder: .first, attempt: 1))
    #expect(job == before)
    guard case .run(let assignment) = claim(&job, by: .first, .second, gone: true) else {
      throw Unexpected()
    }
    #expect(assignment.attempt == 2)
  }

  @Test(
    "a job that another worker has is asked about first, then dropped or taken over",
    arguments: [JobStatus.running, .locked])
  func contested(status: JobStatus) throws {
    let held = try Job.fixture(status: status)
    var job = held
    #expect(claim(&job, by: .second, .second) == .ask(holder: .first, attempt: 1))
    #expect(job == held)
    #expect(claim(&job, by: .second, .second, gone: false) == .drop(.heldByAnother))
    #expect(job == held)
    guard case .run(let assignment) = claim(&job, by: .second, .second, gone: true) else {
      throw Unexpected()
    }
    #expect(assignment.attempt == 2)
    #expect(job.worker == .second)
    #expect(job.lostWorkers == 1)
    #expect(job.retries == 0)
  }

  @Test("a job that was to end when its worker was lost ends, and is not run")
  func endsInstead() throws {
    for (status, end) in [(JobStatus.canceling, JobStatus.canceled), (.suspending, .suspended)] {
      var job = try Job.fixture(status: status)
      #expect(claim(&job, by: .second, .second, gone: true) == .drop(.ended))
      #expect(job.status == end)
    }
  }

  @Test("a job that has cost too many workers their life fails as poison")
  func poison() throws {
    var job = try Job.fixture()
    for number in 1...3 {
      let worker = WorkerID(rawValue: "worker-\(number)")
      guard case .run = claim(&job, by: worker, UUID(), gone: true, poisonLimit: 3) else {
        throw Unexpected()
      }
    }
    #expect(claim(&job, by: .first, UUID(), gone: true, poisonLimit: 3) == .drop(.ended))
    #expect(job.status == .failed)
    #expect(job.error == "poison: 3 workers ended while they ran this job")
  }

  @Test(
    "a job that no worker may have is dropped and unchanged",
    arguments: [
      (JobStatus.initializing, ClaimRefusal.notWaiting), (.resuming, .notWaiting),
      (.suspended, .notWaiting), (.skipped, .ended), (.canceled, .ended), (.failed, .ended),
      (.timedOut, .ended), (.completed, .ended),
    ])
  func dropped(status: JobStatus, refusal: ClaimRefusal) throws {
    let before = try Job.fixture(status: status)
    var job = before
    #expect(claim(&job, gone: true) == .drop(refusal))
    #expect(job == before)
  }
}

/// A decision that the test cannot go on from.
struct Unexpected: Error {}
