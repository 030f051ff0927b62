import Foundation
import JobServer
import Jobs
import TestSupport
import Testing

/// What every implementation of ``JobAuthority`` has to keep, seen through the service behind it.
@Suite("Every authority", .needsBroker, .timeLimit(.minutes(2)))
struct AuthorityConformanceTests {
  typealias Path = AuthorityHarness.Path

  @Test(
    "grants a waiting job once, and repeats itself to the one who asks again",
    arguments: Path.allCases)
  func grants(_ path: Path) async throws {
    try await AuthorityHarness.with(path) { harness in
      let worker = try await harness.worker()
      let id = try await harness.job(7)
      let claim = UUID()
      let answer = try await harness.claim(2, by: worker, claim)
      let assignment = try #require(answer.jobs.first)
      #expect(answer.jobs.count == 1)
      #expect(answer.rest == .void)
      #expect(assignment.job == id)
      #expect(assignment.attempt == 1)
      #expect(assignment.params == ["n": 7])
      #expect(assignment.timeoutMilliseconds == 60_000)
      #expect(try await harness.claim(2, by: worker, claim, isRepeated: true) == answer)
      #expect(try await harness.claim(2, by: worker) == ClaimAnswer(jobs: [], rest: .void))
      let job = try await harness.state(id)
      #expect(job.status == .running)
      #expect(job.worker == worker)
      #expect(job.attempt == 1)
    }
  }

  @Test("gives nothing that is for later or has ended", arguments: Path.allCases)
  func nothing(_ path: Path) async throws {
    try await AuthorityHarness.with(path) { harness in
      let worker = try await harness.worker()
      _ = try await harness.job(at: .now + .seconds(3600))
      let canceled = try await harness.job()
      _ = try await harness.service.cancel(canceled, tenant: .zero)
      #expect(try await harness.claim(9, by: worker) == ClaimAnswer(jobs: [], rest: .void))
    }
  }

  @Test("gives a worker that it does not know nothing", arguments: Path.allCases)
  func unregistered(_ path: Path) async throws {
    try await AuthorityHarness.with(path) { harness in
      _ = try await harness.worker()
      _ = try await harness.job()
      let stranger = WorkerID(rawValue: "stranger")
      #expect(
        try await harness.claim(1, by: stranger) == ClaimAnswer(jobs: [], rest: .unregistered))
    }
  }

  @Test("gives a set in the order in which the jobs came", arguments: Path.allCases)
  func order(_ path: Path) async throws {
    try await AuthorityHarness.with(path) { harness in
      let worker = try await harness.worker()
      var ids: [JobID] = []
      for n in 0..<20 { ids.append(try await harness.job(Int64(n))) }
      let first = try await harness.claim(15, by: worker)
      let second = try await harness.claim(15, by: worker)
      #expect((first.jobs + second.jobs).map(\.job) == ids)
    }
  }

  @Test("keeps what is reported, in its order, and once", arguments: Path.allCases)
  func reports(_ path: Path) async throws {
    try await AuthorityHarness.with(path) { harness in
      let worker = try await harness.worker()
      let id = try await harness.job()
      _ = try await harness.claim(1, by: worker)
      let last = JobProgress(60, "more")
      let contents: [JobReport.Content] = [
        .progress(JobProgress(40, "some")), .progress(last),
        .ended(.completed(result: ["sum": 3])),
      ]
      let reports = contents.map {
        JobReport(job: id, attempt: 1, worker: worker, content: $0)
      }
      try await harness.authority.report(reports)
      try await harness.authority.report(reports)
      let job = try await harness.end(of: id)
      #expect(job.status == .completed)
      #expect(job.progress == 100)
      #expect(job.progressDetails == "more")
      #expect(job.result == ["sum": 3])
    }
  }

  @Test(
    "lets a failed job run again, and refuses the late word of its first attempt",
    arguments: Path.allCases)
  func fencing(_ path: Path) async throws {
    try await AuthorityHarness.with(path) { harness in
      let worker = try await harness.worker()
      let id = try await harness.job()
      _ = try await harness.claim(1, by: worker)
      try await harness.report(
        id, 1, by: worker, .ended(.failed(error: "no luck", permanent: false)))
      let second = try await harness.nextJob(for: worker)
      #expect(second.job == id)
      #expect(second.attempt == 2)
      try await harness.report(id, 1, by: worker, .ended(.completed(result: "late")))
      try await harness.report(id, 2, by: worker, .ended(.completed(result: "right")))
      let job = try await harness.end(of: id)
      #expect(job.status == .completed)
      #expect(job.result == "right")
    }
  }

  @Test(
    "gives the job of a worker that is gone to the next, until it is poison",
    arguments: Path.allCases)
  func loss(_ path: Path) async throws {
    try await AuthorityHarness.with(path) { harness in
      let id = try await harness.job()
      let first = try await harness.worker("first")
      #expect(try await harness.claim(1, by: first).jobs.map(\.job) == [id])
      try await harness.end(first)
      let second = try await harness.worker("second")
      let assignment = try await harness.nextJob(for: second)
      #expect(assignment.attempt == 2)
      #expect(try await harness.state(id).lostWorkers == 1)
      // Its claims are those of nobody now.
      #expect(try await harness.claim(1, by: first).rest == .unregistered)
      try await harness.end(second)
      let job = try await harness.end(of: id)
      #expect(job.status == .failed)
      #expect(job.error?.hasPrefix("poison") == true)
    }
  }
}
