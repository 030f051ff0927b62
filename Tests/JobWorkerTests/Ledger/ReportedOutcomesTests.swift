import Jobs
import Testing

@testable import JobWorker

@Suite struct ReportedOutcomesTests {
  private func outcome(_ job: JobID, _ attempt: Int = 1, bytes: Int = 0) -> JobReport {
    JobReport(
      job: job, attempt: attempt, worker: WorkerID(rawValue: "w"),
      content: .ended(
        .completed(result: JSONPayload(.string(String(repeating: "x", count: bytes))))))
  }

  private func kept(_ outcomes: ReportedOutcomes, _ ids: [JobID], attempt: Int = 1) -> [Int] {
    ids.indices.filter {
      outcomes.report(of: RunningAttempt(job: ids[$0], attempt: attempt)) != nil
    }
  }

  @Test func onlyTheLastOutcomesAreKept() {
    var outcomes = ReportedOutcomes(limit: 3)
    let ids = (0..<5).map { _ in JobID() }
    for id in ids { outcomes.keep(outcome(id)) }
    #expect(kept(outcomes, ids) == [2, 3, 4])
    // Reported again, it is the newest, and the earlier attempt is forgotten.
    outcomes.keep(outcome(ids[2], 2))
    #expect(kept(outcomes, ids) == [3, 4])
    outcomes.keep(outcome(ids[0]))
    outcomes.keep(outcome(ids[1]))
    #expect(kept(outcomes, ids) == [0, 1])
    #expect(kept(outcomes, ids, attempt: 2) == [2])
  }

  @Test func keptOutcomesAreBoundedInBytes() {
    var outcomes = ReportedOutcomes(limit: 1_000, byteLimit: 11_000)
    let ids = (0..<20).map { _ in JobID() }
    for id in ids { outcomes.keep(outcome(id, bytes: 2_000)) }
    #expect(outcomes.bytes <= 11_000)
    #expect(kept(outcomes, ids) == [16, 17, 18, 19])
    // One that is larger than all that may be kept is not kept, and drives the others out.
    outcomes.keep(outcome(JobID(), bytes: 20_000))
    #expect(outcomes.count == 0)
    #expect(outcomes.bytes == 0)
    outcomes.keep(outcome(ids[0]))
    #expect(kept(outcomes, ids) == [0])
  }

  @Test func aJobThatIsRetriedForEverTakesNoMoreThanItsPlace() {
    var outcomes = ReportedOutcomes(limit: 100)
    let (id, other) = (JobID(), JobID())
    outcomes.keep(outcome(other))
    for attempt in 1...10_000 { outcomes.keep(outcome(id, attempt)) }
    #expect(outcomes.count == 2)
    #expect(outcomes.orderLength < 200)
    #expect(outcomes.report(of: RunningAttempt(job: other, attempt: 1)) != nil)
    #expect(outcomes.report(of: RunningAttempt(job: id, attempt: 10_000)) != nil)
  }
}
