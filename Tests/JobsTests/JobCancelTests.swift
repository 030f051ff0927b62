import Testing

@testable import Jobs

@Suite("Cancelling and losing workers")
struct JobCancelTests {
  @Test("its worker is told the reason that was given first, however often it is told")
  func reason() throws {
    var job = try Job.fixture(status: .running)
    #expect(job.cancelReason == nil)
    _ = job.cancel(at: .later, reason: "no longer needed")
    _ = job.cancel(at: .later, reason: "told again")
    #expect(job.cancelReason == "no longer needed")
    var silent = try Job.fixture(status: .suspending)
    _ = silent.cancel(at: .later)
    #expect(silent.cancelReason == nil)
  }

  @Test(
    "cancelling leads to the end at once, through the worker, or nowhere",
    arguments: JobStatus.allCases)
  func cancel(status: JobStatus) throws {
    var job = try Job.fixture(status: status)
    let before = job
    let decision = job.cancel(at: .later, reason: "not needed")
    switch status {
    case .initializing, .waiting, .resuming, .suspended:
      #expect(decision == .canceled)
      #expect(job.status == .canceled)
      #expect(job.details == "not needed")
    case .running, .locked, .suspending, .canceling:
      #expect(decision == .tell(.first, attempt: 1))
      #expect(job.status == .canceling)
    case .skipped, .canceled, .failed, .timedOut, .completed:
      #expect(decision == .pointless)
      #expect(job == before)
    }
  }

  @Test("a lost worker's job waits again or ends as it was told to", arguments: JobStatus.allCases)
  func lose(status: JobStatus) throws {
    var job = try Job.fixture(status: status)
    let before = job
    job.loseWorker(at: .later, poisonLimit: 5)
    switch status {
    case .running, .locked:
      #expect(job.status == .waiting)
      #expect(job.lostWorkers == 1)
      #expect(job.details == "its worker first is gone")
    case .canceling: #expect(job.status == .canceled)
    case .suspending: #expect(job.status == .suspended)
    default: #expect(job == before)
    }
  }
}
