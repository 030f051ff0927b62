import Foundation
import Testing

@testable import Jobs

@Suite("What a worker that was away says it runs")
struct JobAttestTests {
  @Test(
    "an attempt that is the job's goes on as it is",
    arguments: JobStatus.allCases.filter(\.isHeld))
  func kept(_ status: JobStatus) throws {
    var job = try Job.fixture(status: status)
    let before = job
    #expect(job.attest(attempt: 1, by: .first, at: .later) == .kept)
    #expect(job == before)
  }

  @Test("a job that was taken from its worker, and that nobody has claimed since, is its own again")
  func rejoined() throws {
    var job = try Job.fixture(status: .running)
    job.loseWorker(at: .later, poisonLimit: 5)
    #expect(job.status == .waiting)
    #expect(job.attest(attempt: 1, by: .first, at: .later) == .kept)
    #expect(job.status == .running)
    #expect(job.worker == .first)
    #expect(job.lostWorkers == 0)
  }

  @Test("an attempt of another worker's, or another attempt, is refused and changes nothing")
  func fenced() throws {
    for status in JobStatus.allCases {
      for (attempt, worker) in [(1, WorkerID.second), (2, .first), (0, .first), (-1, .first)] {
        var job = try Job.fixture(status: status)
        let before = job
        #expect(job.attest(attempt: attempt, by: worker, at: .later) == .fenced)
        #expect(job == before)
      }
    }
  }

  @Test(
    "an attempt of a job that nobody has is refused",
    arguments: JobStatus.allCases.filter { !$0.isHeld })
  func over(_ status: JobStatus) throws {
    var job = try Job.fixture(status: status)
    job.attempt = 1
    job.worker = .first
    let before = job
    #expect(job.attest(attempt: 1, by: .first, at: .later) == .fenced)
    #expect(job == before)
  }
}
