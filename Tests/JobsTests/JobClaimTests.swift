import Foundation
import Testing

@testable import Jobs

@Suite("The attempts of a job")
struct JobClaimTests {
  @Test("a waiting job is run, under a new attempt number")
  func start() throws {
    var job = try Job.fixture(timeout: .seconds(10))
    job.details = "retry 1 of 2"
    let started = job.start(by: .first, claim: .second, at: .later)
    let assignment = try #require(started)
    #expect(assignment.job == job.id)
    #expect(assignment.attempt == 1)
    #expect(assignment.params == ["path": "a"])
    #expect(assignment == job.assignment)
    #expect(job.status == .running)
    #expect(job.worker == .first)
    #expect(job.claim == .second)
    #expect(job.startedAt == .later)
    #expect(job.attemptStartedAt == .later)
    #expect(job.eta == .later + .seconds(10))
    #expect(job.details.isEmpty)
  }

  @Test("a later attempt leaves it when the first one began")
  func again() throws {
    var job = try Job.fixture(status: .running)
    job.loseWorker(at: .later, poisonLimit: 5)
    let now = Timestamp(milliseconds: 9000)
    #expect(job.start(by: .second, claim: .second, at: now)?.attempt == 2)
    #expect(job.startedAt == Timestamp(milliseconds: 1000))
    #expect(job.attemptStartedAt == now)
    #expect(job.lostWorkers == 1)
    #expect(job.retries == 0)
  }

  @Test(
    "a job that does not wait is not run, and is as it was",
    arguments: JobStatus.allCases.filter { $0 != .waiting })
  func refused(_ status: JobStatus) throws {
    var job = try Job.fixture(status: status)
    let before = job
    #expect(job.start(by: .second, claim: .second, at: .later) == nil)
    #expect(job == before)
  }

  @Test("a job that has cost too many workers their life fails as poison")
  func poison() throws {
    var job = try Job.fixture()
    for number in 1...3 {
      let worker = WorkerID(rawValue: "worker-\(number)")
      #expect(job.start(by: worker, claim: UUID(), at: .later) != nil)
      job.loseWorker(at: .later, poisonLimit: 3)
    }
    #expect(job.status == .failed)
    #expect(job.error == "poison: 3 workers ended while they ran this job")
  }
}

@Suite("The changes that a job tells of") struct JobChangesTests {
  private func steps(_ job: inout Job) -> [String] {
    job.takeChanges().map { change in
      "\(change.from?.rawValue ?? "-") \(change.to.rawValue) \(change.attempt) \(change.reason ?? "-")"
    }
  }

  @Test("are those that were made, in their order, and are told once")
  func order() throws {
    var job = try Job.fixture(
      status: .running, retry: RetryPolicy(maxRetries: 1, delay: .seconds(3)))
    job.loseWorker(at: .later, poisonLimit: 5)
    #expect(steps(&job) == ["running waiting 1 its worker first is gone"])
    #expect(steps(&job).isEmpty)
    // The report of one that lives after all: it goes from waiting to waiting, over running.
    let report = JobReport(
      job: job.id, attempt: 1, worker: .first,
      content: .ended(.failed(error: "no luck", permanent: false)))
    #expect(job.apply(report, at: .later, chance: 0) == .applied)
    #expect(steps(&job) == ["waiting running 1 -", "running waiting 1 retry 1 of 1"])
    _ = job.start(by: .second, claim: .second, at: .later)
    #expect(steps(&job) == ["waiting running 2 -"])
  }

  @Test("go over the statuses between, where a job is there only for a moment")
  func between() throws {
    var job = try Job.fixture(status: .suspended)
    _ = job.resume(at: .later)
    #expect(steps(&job) == ["suspended resuming 0 -", "resuming waiting 0 resumed"])
    var locked = try Job.fixture(status: .locked)
    let report = JobReport(
      job: locked.id, attempt: 1, worker: .first, content: .ended(.completed(result: nil)))
    _ = locked.apply(report, at: .later, chance: 0)
    #expect(steps(&locked) == ["locked running 1 -", "running completed 1 -"])
  }

  @Test("give the error of what has failed as the reason")
  func reason() throws {
    var job = try Job.fixture(status: .running)
    let report = JobReport(
      job: job.id, attempt: 1, worker: .first,
      content: .ended(.failed(error: "no luck", permanent: true)))
    _ = job.apply(report, at: .later, chance: 0)
    #expect(steps(&job) == ["running failed 1 no luck"])
  }
}

@Suite("Commands") struct JobCommandTests {
  private static let actions: [JobCommand.Action] = [
    .cancel(reason: "enough"), .suspend, .resume, .finishInitialization,
    .failInitialization("refused"), .lose(attempt: 1, poisonLimit: 5), .noteReplies([]),
    .addReply(JobReply(address: "a")),
  ]

  @Test(
    "do what the lifecycle's own functions do", arguments: actions, JobStatus.allCases)
  func alike(_ action: JobCommand.Action, _ status: JobStatus) throws {
    let before = try Job.fixture(status: status)
    var job = before
    var expected = before
    let decision = job.apply(action, at: .later)
    switch action {
    case .cancel(let reason):
      switch expected.cancel(at: .later, reason: reason) {
      case .canceled: #expect(decision == .done)
      case .tell(let worker, let attempt): #expect(decision == .tell(worker, attempt: attempt))
      case .pointless: #expect(decision == .pointless)
      }
    case .suspend:
      switch expected.suspend(at: .later) {
      case .suspended: #expect(decision == .done)
      case .tell(let worker, let attempt): #expect(decision == .tell(worker, attempt: attempt))
      case .pointless: #expect(decision == .pointless)
      case .rejected(let error): #expect(decision == .rejected(error))
      }
    case .resume:
      switch expected.resume(at: .later) {
      case .resumed: #expect(decision == .done)
      case .pointless: #expect(decision == .pointless)
      case .rejected(let error): #expect(decision == .rejected(error))
      }
    case .finishInitialization:
      #expect(decision == (expected.finishInitialization(at: .later) ? .done : .pointless))
    case .failInitialization(let message):
      #expect(decision == (expected.failInitialization(message, at: .later) ? .done : .pointless))
    case .lose:
      if status.isHeld { expected.loseWorker(at: .later, poisonLimit: 5) }
      #expect(decision == (status.isHeld ? .done : .pointless))
    case .noteReplies:
      #expect(decision == .pointless)
    case .addReply(let reply):
      expected.add([reply])
      #expect(decision == .done)
    }
    #expect(job == expected)
  }

  @Test("lose an attempt only while it is the newest")
  func loss() throws {
    var job = try Job.fixture(status: .running)
    let before = job
    #expect(job.apply(.lose(attempt: 2, poisonLimit: 5), at: .later) == .pointless)
    #expect(job == before)
  }

  @Test("note once who wants to be told of an end, and of many the latest")
  func addedReplies() throws {
    var job = try Job.fixture(status: .running)
    let reply = JobReply(address: "a")
    #expect(job.apply(.addReply(reply), at: .later) == .done)
    #expect(job.apply(.addReply(reply), at: .later) == .pointless)
    #expect(job.replies == [reply])
    for number in 0..<JobReply.mostOfOneJob {
      _ = job.apply(.addReply(JobReply(address: "\(number)")), at: .later)
    }
    #expect(job.replies.count == JobReply.mostOfOneJob)
    #expect(!job.replies.contains(reply))
  }

  @Test("note who was told of an end, once it has ended")
  func replies() throws {
    let (told, other) = (JobReply(address: "a"), JobReply(address: "b"))
    for status in JobStatus.allCases {
      var job = try Job.fixture(status: status)
      job.replies = [told, other]
      let decision = job.apply(.noteReplies([told]), at: .later)
      #expect(decision == (status.isFinal ? .done : .pointless))
      #expect(job.replies == (status.isFinal ? [other] : [told, other]))
    }
  }
}

@Suite("What is asked of a server") struct RequestTests {
  @Test(
    "a claim asks for one job at least, and not for too many",
    arguments: [(-1, 1), (0, 1), (7, 7), (5000, 1000)])
  func counts(_ asked: Int, _ count: Int) {
    let request = ClaimRequest(
      worker: .first, epoch: 1, queue: .compute, count: asked, types: [])
    #expect(request.count == count)
    #expect(request.repeated.isRepeated)
    #expect(request.repeated.claim == request.claim)
    #expect(request.repeated.count == count)
  }

  @Test(
    "a priority is taken to the nearest one that there is", arguments: [(-3, 0), (4, 4), (99, 9)])
  func priorities(_ wanted: Int, _ priority: Int) {
    #expect(JobPriority.clamped(wanted) == priority)
  }

  @Test(
    "a cursor is what a store may have given away",
    arguments: ["", "a b", "é", String(repeating: "1", count: 65)])
  func cursors(_ text: String) {
    #expect(JobCursor(text) == nil)
    #expect(JobCursor("12")?.description == "12")
  }
}
