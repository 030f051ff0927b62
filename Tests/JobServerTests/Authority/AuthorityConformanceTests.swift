import Foundation
import JobServer
import Jobs
import TestSupport
import Testing

/// What every implementation of ``JobAuthority`` has to keep, seen through the service behind it.
@Suite("Every authority", .needsBroker, .timeLimit(.minutes(2)))
struct AuthorityConformanceTests {
  typealias Path = AuthorityHarness.Path

  private let worker = WorkerID(rawValue: "w")

  @Test(
    "grants a waiting job once, and repeats itself to the one who asks again",
    arguments: Path.allCases)
  func grants(_ path: Path) async throws {
    try await AuthorityHarness.with(path) { harness in
      let id = try await harness.job(7)
      let claim = UUID()
      let answer = try await harness.claim(id, by: worker, claim)
      guard case .run(let assignment) = answer else {
        Issue.record("refused: \(answer)")
        return
      }
      #expect(assignment.job == id)
      #expect(assignment.attempt == 1)
      #expect(assignment.params == ["n": 7])
      #expect(assignment.timeoutMilliseconds == 60_000)
      #expect(try await harness.claim(id, by: worker, claim) == answer)
      let job = try await harness.state(id)
      #expect(job.status == .running)
      #expect(job.worker == worker)
      #expect(job.attempt == 1)
    }
  }

  @Test("refuses what is unknown, not due or ended, each with its reason", arguments: Path.allCases)
  func refusals(_ path: Path) async throws {
    try await AuthorityHarness.with(path) { harness in
      let later = try await harness.job(at: .now + .seconds(3600))
      let canceled = try await harness.job()
      _ = try await harness.service.cancel(canceled, tenant: .zero)
      let answers = try await harness.authority.claim(
        [JobID(), later, canceled].map { ClaimRequest(job: $0, worker: worker, claim: UUID()) })
      #expect(answers == [.drop(.unknown), .drop(.notDue), .drop(.ended)])
    }
  }

  @Test("answers a batch in its order", arguments: Path.allCases)
  func order(_ path: Path) async throws {
    try await AuthorityHarness.with(path) { harness in
      var ids: [JobID] = []
      for n in 0..<20 { ids.append(try await harness.job(Int64(n))) }
      let answers = try await harness.authority.claim(
        ids.map { ClaimRequest(job: $0, worker: worker, claim: UUID()) })
      let given = answers.map { answer -> JobID? in
        guard case .run(let assignment) = answer else { return nil }
        return assignment.job
      }
      #expect(given == ids)
    }
  }

  @Test("keeps what is reported, in its order, and once", arguments: Path.allCases)
  func reports(_ path: Path) async throws {
    try await AuthorityHarness.with(path) { harness in
      let id = try await harness.job()
      _ = try await harness.claim(id, by: worker)
      let last = try JobProgress(60, "more")
      let contents: [JobReport.Content] = [
        .progress(try JobProgress(40, "some")), .progress(last),
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
      let id = try await harness.job()
      _ = try await harness.claim(id, by: worker)
      try await harness.report(
        id, 1, by: worker, .ended(.failed(error: "no luck", permanent: false)))
      let second = try await harness.settledClaim(id, by: worker)
      guard case .run(let assignment) = second else {
        Issue.record("refused: \(second)")
        return
      }
      #expect(assignment.attempt == 2)
      try await harness.report(id, 1, by: worker, .ended(.completed(result: "late")))
      try await harness.report(id, 2, by: worker, .ended(.completed(result: "right")))
      let job = try await harness.end(of: id)
      #expect(job.status == .completed)
      #expect(job.result == "right")
    }
  }

  @Test(
    "does not run a job again whose worker has reported and claims anew", arguments: Path.allCases)
  func reportBeforeClaim(_ path: Path) async throws {
    try await AuthorityHarness.with(path) { harness in
      for _ in 0..<20 {
        let id = try await harness.job()
        _ = try await harness.claim(id, by: worker)
        try await harness.report(id, 1, by: worker, .ended(.completed(result: nil)))
        #expect(try await harness.settledClaim(id, by: worker) == .drop(.ended))
        #expect(try await harness.state(id).attempt == 1)
      }
    }
  }

  @Test(
    "gives the job of a worker that is gone to the next, until it is poison",
    arguments: Path.allCases)
  func takeOver(_ path: Path) async throws {
    try await AuthorityHarness.with(path) { harness in
      let id = try await harness.job()
      _ = try await harness.claim(id, by: WorkerID(rawValue: "gone-1"))
      let second = try await harness.settledClaim(id, by: WorkerID(rawValue: "gone-2"))
      guard case .run(let assignment) = second else {
        Issue.record("refused: \(second)")
        return
      }
      #expect(assignment.attempt == 2)
      #expect(try await harness.state(id).lostWorkers == 1)
      #expect(try await harness.settledClaim(id, by: worker) == .drop(.ended))
      let job = try await harness.state(id)
      #expect(job.status == .failed)
      #expect(job.error?.hasPrefix("poison") == true)
    }
  }
}

extension AuthorityHarness {
  /// Asks until there is a decision: before the server's connections are there, it cannot know who is gone.
  fileprivate func settledClaim(_ id: JobID, by worker: WorkerID) async throws -> ClaimAnswer {
    let deadline = ContinuousClock.now + .seconds(30)
    var answer = try await claim(id, by: worker)
    while answer == .askAgain, ContinuousClock.now < deadline {
      answer = try await claim(id, by: worker)
    }
    return answer
  }
}
