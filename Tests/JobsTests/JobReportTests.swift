import Foundation
import Testing

@testable import Jobs

@Suite("Reports")
struct JobReportTests {
  private func report(
    _ content: JobReport.Content, on job: Job, attempt: Int = 1, worker: WorkerID = .first
  ) -> JobReport {
    JobReport(job: job.id, attempt: attempt, worker: worker, content: content)
  }

  private func end(_ outcome: JobOutcome, _ job: inout Job) -> Job.ReportDecision {
    job.apply(report(.ended(outcome), on: job), at: .later, chance: 0.5)
  }

  static let outcomes: [JobOutcome] = [
    .completed(result: ["sum": 1]), .failed(error: "no", permanent: false),
    .failed(error: "no", permanent: true), .timedOut(error: "too long"),
    .skipped(reason: "nothing to do"), .canceled, .returned,
    .retryAfter(error: "busy", delay: .seconds(9), counted: true),
    .retryAfter(error: "busy", delay: .seconds(9), counted: false),
    .snoozed(.seconds(9), reason: "early"),
  ]

  @Test(
    "each outcome leads where the lifecycle says, from each status in which a worker has the job")
  func destinations() throws {
    let expected: [JobStatus: [JobStatus]] = [
      .running: [
        .completed, .failed, .failed, .timedOut, .skipped, .waiting, .waiting, .failed, .waiting,
        .waiting,
      ],
      .locked: [
        .completed, .failed, .failed, .timedOut, .skipped, .waiting, .waiting, .failed, .waiting,
        .waiting,
      ],
      .canceling: [
        .completed, .canceled, .canceled, .timedOut, .skipped, .canceled, .canceled, .canceled,
        .canceled, .canceled,
      ],
      .suspending: [
        .completed, .suspended, .suspended, .timedOut, .skipped, .suspended, .suspended, .suspended,
        .suspended, .suspended,
      ],
    ]
    for (status, ends) in expected {
      for (outcome, expectation) in zip(Self.outcomes, ends) {
        var job = try Job.fixture(status: status)
        #expect(end(outcome, &job) == .applied)
        #expect(job.status == expectation, "\(status) and \(outcome)")
      }
    }
  }

  @Test("a completed job has its result, full progress and no error")
  func completed() throws {
    var job = try Job.fixture(status: .running)
    job.error = "the last attempt's"
    _ = end(.completed(result: ["sum": 1]), &job)
    #expect(job.result == ["sum": 1])
    #expect(job.progress == 100)
    #expect(job.error == nil)
    #expect(job.updatedAt == .later)
  }

  @Test("a failure with retries left waits for the delay; the last one stays failed")
  func retries() throws {
    var job = try Job.fixture(
      status: .running, retry: RetryPolicy(maxRetries: 1, delay: .seconds(3)))
    _ = end(.failed(error: "exit code 3", permanent: false), &job)
    #expect(job.status == .waiting)
    #expect(job.retries == 1)
    #expect(job.scheduledAt == Timestamp(milliseconds: 8000))
    #expect(job.error == "exit code 3")

    let again = job.start(by: .first, claim: .second, at: Timestamp(milliseconds: 8000))
    #expect(again?.retries == 1)
    let failure = report(
      .ended(.failed(error: "exit code 4", permanent: false)), on: job, attempt: 2)
    #expect(job.apply(failure, at: .later, chance: 0.5) == .applied)
    #expect(job.status == .failed)
    #expect(job.error == "exit code 4")
    #expect(job.retries == 1)
  }

  @Test("a permanent failure is not retried")
  func permanent() throws {
    var job = try Job.fixture(status: .running, retry: RetryPolicy(maxRetries: 9))
    _ = end(.failed(error: "exit code 100", permanent: true), &job)
    #expect(job.status == .failed)
    #expect(job.retries == 0)
  }

  @Test("a failure that says when to run again waits for that, and not for the policy's delay")
  func retryAfter() throws {
    var job = try Job.fixture(
      status: .running, retry: RetryPolicy(maxRetries: 1, delay: .seconds(3), jitter: 1))
    _ = end(.retryAfter(error: "busy", delay: .milliseconds(1), counted: true), &job)
    #expect(job.status == .waiting)
    #expect(job.retries == 1)
    #expect(job.scheduledAt == Timestamp(milliseconds: 5001))
    #expect(job.error == "busy")
    #expect(job.details == "retry 1 of 1")

    _ = job.start(by: .first, claim: .second, at: Timestamp(milliseconds: 5001))
    let uncounted = JobOutcome.retryAfter(error: "busier", delay: .seconds(7), counted: false)
    #expect(
      job.apply(report(.ended(uncounted), on: job, attempt: 2), at: .later, chance: 0) == .applied)
    #expect(job.status == .waiting)
    #expect(job.retries == 1)
    #expect(job.scheduledAt == Timestamp(milliseconds: 12_000))
    #expect(job.error == "busier")

    _ = job.start(by: .first, claim: .second, at: Timestamp(milliseconds: 12_000))
    let last = JobOutcome.retryAfter(error: "never", delay: .seconds(7), counted: true)
    _ = job.apply(report(.ended(last), on: job, attempt: 3), at: .later, chance: 0)
    #expect(job.status == .failed)
    #expect(job.error == "never")
  }

  @Test("being snoozed is no failure: the job waits with its snapshot, and no retry is counted")
  func snoozed() throws {
    var job = try Job.fixture(status: .running)
    job.snapshot = ["page": 3]
    _ = end(.snoozed(.seconds(30), reason: "early"), &job)
    #expect(job.status == .waiting)
    #expect(job.scheduledAt == Timestamp(milliseconds: 35_000))
    #expect(job.retries == 0)
    #expect(job.error == nil)
    #expect(job.details == "snoozed: early")
    #expect(job.snapshot == ["page": 3])
    #expect(job.claim == nil)
  }

  @Test("what uses up no retry waits for a second at least, and no delay is out of range")
  func boundedDelays() throws {
    let second = Timestamp.later + .seconds(1)
    let last = Timestamp.later + .longest
    for (delay, counted, uncounted) in [
      (.zero, Timestamp.later, second), (.seconds(-5), .later, second),
      (.milliseconds(Int64.min), .later, second),
      (.milliseconds(999), .later + .milliseconds(999), second), (.seconds(1), second, second),
      (.milliseconds(Int64.max), last, last),
    ] as [(Duration, Timestamp, Timestamp)] {
      func due(_ outcome: JobOutcome) throws -> Timestamp {
        var job = try Job.fixture(status: .running, retry: RetryPolicy(maxRetries: 1))
        _ = end(outcome, &job)
        return job.scheduledAt
      }
      #expect(try due(.retryAfter(error: "", delay: delay, counted: true)) == counted)
      #expect(try due(.retryAfter(error: "", delay: delay, counted: false)) == uncounted)
      #expect(try due(.snoozed(delay, reason: nil)) == uncounted)
    }
  }

  @Test("being given back is no failure: no retry is counted")
  func returned() throws {
    var job = try Job.fixture(status: .running)
    _ = end(.returned, &job)
    #expect(job.status == .waiting)
    #expect(job.retries == 0)
    #expect(job.lostWorkers == 0)
  }

  @Test("a report of another attempt or another worker is fenced and changes nothing")
  func fenced() throws {
    let before = try Job.fixture(status: .running)
    for stale in [
      report(.ended(.canceled), on: before, attempt: 0),
      report(.ended(.canceled), on: before, attempt: 2),
      report(.ended(.canceled), on: before, worker: .second),
    ] {
      var job = before
      #expect(job.apply(stale, at: .later, chance: 0.5) == .fenced)
      #expect(job == before)
    }
  }

  @Test("the same end reported twice is ignored the second time")
  func twice() throws {
    for outcome in Self.outcomes {
      var job = try Job.fixture(status: .running)
      _ = end(outcome, &job)
      let after = job
      #expect(end(outcome, &job) == .ignored)
      #expect(job == after)
    }
  }

  @Test(
    "progress is kept, gives an estimate of the end, and keeps details that it does not mention")
  func progress() throws {
    var job = try Job.fixture(status: .running)
    let first = report(.progress(JobProgress(25, "a quarter")), on: job)
    #expect(job.apply(first, at: Timestamp(milliseconds: 2000), chance: 0) == .applied)
    #expect(job.progress == 25)
    #expect(job.progressDetails == "a quarter")
    #expect(job.eta == Timestamp(milliseconds: 5000))
    let second = report(.progress(JobProgress(50)), on: job)
    _ = job.apply(second, at: Timestamp(milliseconds: 3000), chance: 0)
    #expect(job.progressDetails == "a quarter")
    #expect(job.eta == Timestamp(milliseconds: 5000))
  }

  @Test("a job with a timeout has an estimate from its start on, and never a later one")
  func latestEnd() throws {
    var job = try Job.fixture(retry: RetryPolicy(maxRetries: 1), timeout: .seconds(10))
    _ = job.start(by: .first, claim: .first, at: Timestamp(milliseconds: 2000))
    #expect(job.eta == Timestamp(milliseconds: 12_000))
    _ = job.apply(
      report(.progress(JobProgress(50)), on: job), at: Timestamp(milliseconds: 4000), chance: 0)
    #expect(job.eta == Timestamp(milliseconds: 6000))
    _ = job.apply(
      report(.progress(JobProgress(1)), on: job), at: Timestamp(milliseconds: 5000), chance: 0)
    #expect(job.eta == Timestamp(milliseconds: 12_000))
    _ = end(.failed(error: "no", permanent: false), &job)
    #expect(job.eta == nil)
  }

  @Test("an estimate counts from the start of the attempt that runs, not from the first one's")
  func estimateOfALaterAttempt() throws {
    var job = try Job.fixture(status: .running, retry: RetryPolicy(maxRetries: 1))
    _ = end(.failed(error: "no", permanent: false), &job)
    _ = job.start(by: .first, claim: .second, at: Timestamp(milliseconds: 101_000))
    #expect(job.startedAt == Timestamp(milliseconds: 1000))
    #expect(job.eta == nil)
    let half = report(.progress(JobProgress(50)), on: job, attempt: 2)
    _ = job.apply(half, at: Timestamp(milliseconds: 103_000), chance: 0)
    #expect(job.eta == Timestamp(milliseconds: 105_000))
  }

  @Test("a skip's reason is in the details and, as in the reference, the error")
  func skipped() throws {
    var job = try Job.fixture(status: .running)
    job.error = "the last attempt's"
    _ = end(.skipped(reason: "nothing to do"), &job)
    #expect(job.status == .skipped)
    #expect(job.details == "nothing to do")
    #expect(job.error == "nothing to do")
  }

  @Test("progress is taken to the nearest one from 0 to 100, and no number at all is none")
  func progressRange() {
    for (given, percent) in [
      (250, 100), (.infinity, 100), (-0.1, 0), (-.infinity, 0), (0, 0), (100, 100), (12.5, 12.5),
      (.nan, nil), (nil, nil),
    ] as [(Double?, Double?)] {
      #expect(JobProgress(given).percent == percent)
    }
  }

  @Test("progress without a percentage leaves that of the job as it is")
  func detailsAlone() throws {
    var job = try Job.fixture(status: .running)
    _ = job.apply(report(.progress(JobProgress(40)), on: job), at: .later, chance: 0)
    _ = job.apply(report(.progress(JobProgress(nil, "on")), on: job), at: .later, chance: 0)
    #expect(job.progress == 40)
    #expect(job.progressDetails == "on")
  }

  /// A job whose worker was taken for lost while it ran on.
  private func lost() throws -> Job {
    var job = try Job.fixture(status: .running)
    job.loseWorker(at: .later, poisonLimit: 5)
    #expect(job.status == .waiting)
    #expect(job.lostWorkers == 1)
    return job
  }

  @Test("an attempt that was taken for lost goes on where nobody has claimed the job since")
  func rejoin() throws {
    for outcome in Self.outcomes {
      var job = try lost()
      var running = try Job.fixture(status: .running)
      #expect(end(outcome, &job) == .applied)
      _ = end(outcome, &running)
      #expect(job.status == running.status)
      #expect(job.result == running.result)
      #expect(job.lostWorkers == 0)
    }
    var job = try lost()
    let progress = report(.progress(JobProgress(30)), on: job)
    #expect(job.apply(progress, at: .later, chance: 0) == .applied)
    #expect(job.status == .running)
    #expect(job.progress == 30)
  }

  @Test("an attempt that was taken for lost is fenced once the job was claimed or suspended")
  func tooLateToRejoin() throws {
    var claimed = try lost()
    let late = report(.ended(.completed(result: 1)), on: claimed)
    #expect(
      claimed.start(by: WorkerID(rawValue: "another"), claim: .second, at: .later) != nil)
    #expect(claimed.apply(late, at: .later, chance: 0) == .fenced)

    var suspended = try lost()
    _ = suspended.suspend(at: .later)
    _ = suspended.resume(at: .later)
    #expect(suspended.apply(late, at: .later, chance: 0) == .ignored)
    #expect(suspended.status == .waiting)
  }

  @Test("a retry that waits is not ended by the failure that is reported a second time")
  func retryIsNotRejoined() throws {
    var job = try Job.fixture(
      status: .running, retry: RetryPolicy(maxRetries: 3, delay: .seconds(3)))
    _ = end(.failed(error: "no", permanent: false), &job)
    #expect(end(.failed(error: "no", permanent: false), &job) == .ignored)
    #expect(job.retries == 1)
  }

  @Test("what a policy sets out of range is taken into it")
  func policyRange() throws {
    var job = try Job.fixture(status: .running)
    var policy = RetryPolicy(maxRetries: 1)
    policy.maxRetries = -7
    policy.jitter = 3
    let sent = report(.policy(policy, timeout: -5000), on: job)
    #expect(job.apply(sent, at: .later, chance: 0) == .applied)
    #expect(job.retry.maxRetries == 0)
    #expect(job.retry.jitter == 1)
    #expect(job.timeout == .zero)
    let json = try JSONValue(encoding: policy)
    #expect(try json.decode(as: RetryPolicy.self) == job.retry)
  }

  @Test(
    "a result that is no JSON fails the job for good, such a snapshot is not kept",
    arguments: ["", "{", "[1", "01", "1e400", "nul", "\"\u{1}\"", "\"\\ud800\"", "{} {}"])
  func noJSON(_ text: String) throws {
    let payload = JSONPayload(bytes: Data(text.utf8))
    var job = try Job.fixture(status: .running)
    job.retry = RetryPolicy(maxRetries: 3)
    let decision = job.apply(report(.snapshot(payload), on: job), at: .later, chance: 0)
    guard case .refused(let why) = decision else {
      Issue.record("\(decision)")
      return
    }
    #expect(why.contains("the snapshot cannot be read"))
    #expect(job.snapshot == nil)
    _ = end(.completed(result: payload), &job)
    #expect(job.status == .failed)
    #expect(job.result == nil)
    #expect(job.error?.contains("the result cannot be read") == true)
  }

  @Test("a result that is nested too deeply fails the job, such a snapshot is not kept")
  func depth() throws {
    var deep: JSONValue = 1
    for _ in 0...JSONValue.maxDepth { deep = [deep] }
    var job = try Job.fixture(status: .running)
    _ = job.apply(report(.snapshot(JSONPayload(deep)), on: job), at: .later, chance: 0)
    #expect(job.snapshot == nil)
    _ = end(.completed(result: JSONPayload(deep)), &job)
    #expect(job.status == .failed)
    #expect(job.error?.contains("nested") == true)
  }
}
