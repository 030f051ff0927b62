import FakeAPI
import Foundation
import JobClient
import Jobs
import Synchronization
import Testing

@Suite("Waiting", .timeLimit(.minutes(1)))
struct JobClientWaitTests {
  private final class Script: Sendable {
    private let answers: Mutex<[Job]>

    init(_ answers: [Job]) {
      self.answers = Mutex(answers)
    }

    /// The next answer; the last one for ever.
    func next() throws -> FakeAPI.Answer {
      let job = answers.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
      return try .json(job.status.isAtRest ? 200 : 202, job)
    }
  }

  @Test(
    "goes on until the job is at rest, and tells each answer before that",
    arguments: [JobStatus.completed, .failed, .suspended])
  func untilRest(status: JobStatus) async throws {
    let id = JobID()
    let jobs = [
      try Job.fixture(id: id), try Job.fixture(id: id, status: .running, progress: 40),
      try Job.fixture(id: id, status: status, progress: 100),
    ]
    let script = Script(jobs)
    try await FakeAPI({ _ in try script.next() }).serve { api in
      var told: [Job] = []
      let job = try await JobClient(server: api.url).wait(
        for: id, timeout: .seconds(20), step: .milliseconds(1500)
      ) { told.append($0) }
      #expect(job == jobs[2])
      #expect(told == Array(jobs[..<2]))
      #expect(api.calls.map(\.target) == Array(repeating: "/jobs/\(id)/wait?timeout=1.5", count: 3))
    }
  }

  @Test("asks once when there is no time, and says what the job is then")
  func noTime() async throws {
    let job = try Job.fixture(status: .running)
    try await FakeAPI({ _ in try .json(202, job) }).serve { api in
      let client = try JobClient(server: api.url)
      await #expect(throws: JobClientError.timedOut(job)) {
        try await client.wait(for: job.id, timeout: .zero)
      }
      #expect(api.calls.map(\.target) == ["/jobs/\(job.id)/wait?timeout=0.0"])
    }
  }

  @Test("a server that answers before its time is not asked without a pause")
  func earlyAnswers() async throws {
    let job = try Job.fixture(status: .running)
    try await FakeAPI({ _ in try .json(202, job) }).serve { api in
      let client = try JobClient(server: api.url)
      await #expect(throws: JobClientError.timedOut(job)) {
        try await client.wait(for: job.id, timeout: .seconds(1))
      }
      // One where the machine is slow; hundreds without the pause.
      #expect((1...6).contains(api.calls.count), "\(api.calls.count)")
    }
  }

  static func refusal(_ status: Int, _ kind: String) -> Problem {
    Problem(type: "/problems/\(kind)", title: "t", status: status, detail: "not now")
  }

  @Test(
    "goes on when the server takes no more for now, and asks again when it wants to be asked",
    arguments: [
      (429, "rate-exceeded"), (503, "concurrency-exceeded"), (503, "store-unavailable"),
    ])
  func refused(status: Int, kind: String) async throws {
    let job = try Job.fixture(status: .completed)
    let count = Mutex(0)
    try await FakeAPI({ _ in
      let asked = count.withLock {
        $0 += 1
        return $0
      }
      return asked < 2
        ? try .problem(Self.refusal(status, kind), retryAfter: 1) : try .json(200, job)
    }).serve { api in
      let begin = ContinuousClock.now
      let client = try JobClient(server: api.url)
      #expect(try await client.wait(for: job.id, timeout: .seconds(20)) == job)
      #expect(ContinuousClock.now - begin >= .seconds(1))
      #expect(api.calls.count == 2)
    }
  }

  @Test("does not wait for what comes after its own time, nor for people")
  func refusedForLong() async throws {
    for (kind, retryAfter) in [("rate-exceeded", 30), ("no-worker", 0)] {
      let problem = Self.refusal(503, kind)
      try await FakeAPI({ _ in try .problem(problem, retryAfter: retryAfter) }).serve { api in
        let client = try JobClient(server: api.url)
        let error = await #expect(throws: JobClientError.self) {
          try await client.wait(for: JobID(), timeout: .seconds(20))
        }
        guard case .problem(let found) = error else {
          Issue.record("\(String(describing: error))")
          return
        }
        #expect(found.type == problem.type)
        #expect(found.retryAfter == .seconds(retryAfter))
        #expect(api.calls.count == 1)
      }
    }
  }

  @Test("an operation is waited for over refusals")
  func operation() async throws {
    let count = Mutex(0)
    let id = UUID()
    let operation = """
      {"id": "\(id)", "tenant_id": "\(UUID())", "action": "cancel", "filter": {}, "status": "completed",
       "matching": 0, "done": 0, "skipped": 0, "failed": 0, "failures": [], "created_at": 1, "updated_at": 1}
      """
    try await FakeAPI({ _ in
      let asked = count.withLock {
        $0 += 1
        return $0
      }
      return asked < 3
        ? try .problem(Self.refusal(503, "store-unavailable"), retryAfter: 0)
        : FakeAPI.Answer(200, operation)
    }).serve { api in
      let client = try JobClient(server: api.url)
      #expect(try await client.wait(forOperation: id).status == .completed)
      #expect(api.calls.count == 3)
    }
  }

  @Test("any request is sent again for as long as there is patience, and without it once")
  func patience() async throws {
    let problem = Self.refusal(429, "rate-exceeded")
    try await FakeAPI({ _ in try .problem(problem, retryAfter: 0) }).serve { api in
      await #expect(throws: JobClientError.self) {
        try await JobClient(server: api.url).get(JobID())
      }
      #expect(api.calls.count == 1)
      var limits = JobClientLimits()
      limits.patience = .milliseconds(600)
      let client = try JobClient(server: api.url, limits: limits)
      await #expect(throws: JobClientError.self) { try await client.get(JobID()) }
      // Two pauses at most; fewer where the machine is slow.
      #expect((2...4).contains(api.calls.count), "\(api.calls.count)")
    }
  }

  @Test("a job that is not there is a problem")
  func unknown() async throws {
    let problem = Problem(
      type: "/problems/not-found", title: "Not found", status: 404, detail: "no such job")
    try await FakeAPI({ _ in try .problem(problem) }).serve { api in
      let client = try JobClient(server: api.url)
      await #expect(throws: JobClientError.problem(problem)) {
        try await client.wait(for: JobID(), timeout: .seconds(5))
      }
    }
  }

  @Test("for a server to be ready goes on while that may still come")
  func ready() async throws {
    let count = Mutex(0)
    let notReady = Problem(
      type: "/problems/not-ready", title: "Not ready", status: 503, detail: "no broker")
    try await FakeAPI({ _ in
      let asked = count.withLock {
        $0 += 1
        return $0
      }
      return asked < 3 ? try .problem(notReady) : .init(200, #"{"status":"ready"}"#)
    }).serve { api in
      let client = try JobClient(server: api.url)
      await #expect(throws: JobClientError.problem(notReady)) {
        try await client.waitUntilReady(timeout: .zero)
      }
      try await client.waitUntilReady(timeout: .seconds(20), interval: .milliseconds(1))
      #expect(api.calls.count == 3)
    }
  }
}
