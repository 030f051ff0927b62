import Foundation
import Logging
import Synchronization
import Testing

@testable import Jobs

/// What a job schedules, and under which ids.
@Suite("Scheduling from within a job")
struct JobSchedulingTests {
  struct Child: JobParams {
    static let job = JobDefinition("a:child")
    var number: Int
  }

  /// Keeps what is submitted.
  final class Outbox: JobScheduling, JobDesk {
    private let sent = Mutex<[JobSubmission]>([])
    var all: [JobSubmission] { sent.withLock(\.self) }
    var desk: any JobDesk { self }

    func submit(_ submissions: [JobSubmission]) async throws -> [JobReceipt] {
      sent.withLock { $0 += submissions }
      return submissions.map { JobReceipt($0, id: $0.id ?? JobID()) }
    }
    func jobs(_ ids: [JobID], tenant: UUID) async throws -> [Job?] { ids.map { _ in nil } }
    func job(_ key: IdempotencyKey, tenant: UUID) async throws -> Job? { nil }
    func end(of id: JobID, tenant: UUID) async throws -> Job { throw UnknownJob(id: id) }
    func changes(of id: JobID, tenant: UUID) -> AsyncThrowingStream<Job, any Error> {
      AsyncThrowingStream { $0.finish() }
    }
    func cancel(_ cancellations: [JobCancellation]) async throws {}
  }

  private let parent = JobID()
  private let tenant = UUID()
  private let user = UUID()

  /// One attempt of the parent, and what it was given to go on from.
  private func attempt(
    _ number: Int, _ outbox: Outbox, from snapshot: JSONPayload? = nil,
    context: [String: String] = [:]
  ) -> JobContext {
    let ids = IDs(parent)
    var link = JobLink(snapshot: { ids.stands(at: $0) })
    link.scheduling = outbox
    link.childID = { ids.next($0) }
    link.loaded = { if let snapshot { ids.stands(at: snapshot) } }
    return JobContext(
      assignment: JobAssignment(
        job: parent, type: .named("a:parent"), attempt: number, tenant: tenant, user: user,
        snapshot: snapshot, context: context),
      logger: Logger(label: "test"), link: link)
  }

  private final class IDs: Sendable {
    private let ids: Mutex<ChildIDs>
    init(_ parent: JobID) { ids = Mutex(ChildIDs(of: parent)) }
    func next(_ content: String) -> JobID { ids.withLock { $0.next(content) } }
    func stands(at snapshot: JSONPayload) { ids.withLock { $0.stands(at: snapshot) } }
  }

  @Test("children are the parent's tenant's and user's")
  func owners() async throws {
    let outbox = Outbox()
    try await attempt(1, outbox).schedule(Child(number: 1))
    let sent = try #require(outbox.all.first)
    #expect(sent.tenantID == tenant)
    #expect(sent.userID == user)
    #expect(sent.type == Child.job.id)
    #expect(sent.params == ["number": 1])
  }

  @Test("the next attempt's children are the same jobs, as far as they are the same")
  func repeated() async throws {
    let outbox = Outbox()
    let first = attempt(1, outbox)
    for number in [1, 2, 2] { try await first.schedule(Child(number: number)) }
    let ids = outbox.all.map(\.id)
    #expect(Set(ids).count == 3)
    let second = attempt(2, outbox)
    for number in [1, 2, 2, 3] { try await second.schedule(Child(number: number)) }
    let again = outbox.all.dropFirst(3).map(\.id)
    #expect(Array(again.prefix(3)) == ids)
    #expect(!ids.contains(try #require(again.last)))
  }

  @Test(
    "what goes on from a snapshot makes just the children that are still to be made, equal ones too"
  )
  func afterSnapshot() async throws {
    let outbox = Outbox()
    /// One equal child a step, the step being saved; ends before the step is saved at which it is killed.
    func run(_ number: Int, from snapshot: Int?, killedAt: Int) async throws {
      let job = attempt(number, outbox, from: try snapshot.map { try JSONPayload(encoding: $0) })
      let done = try job.loadSnapshot(as: Int.self) ?? 0
      for step in done + 1...10 {
        try await job.schedule(Child(number: 7))
        if step == killedAt { return }
        try await job.saveSnapshot(step)
      }
    }
    try await run(1, from: nil, killedAt: 4)
    try await run(2, from: 3, killedAt: 11)
    let ids = outbox.all.map(\.id)
    // Eleven were scheduled, the fourth twice.
    #expect(ids.count == 11)
    #expect(ids[3] == ids[4])
    #expect(Set(ids).count == 10)
    // One that does not look at its snapshot begins anew, and makes the same.
    try await run(3, from: nil, killedAt: 11)
    #expect(Set(outbox.all.map(\.id)).count == 10)
  }

  @Test("a callback that comes back to an earlier snapshot goes on to other children")
  func sameSnapshotAgain() async throws {
    let outbox = Outbox()
    func run(_ number: Int, rounds: Int) async throws {
      let job = attempt(number, outbox)
      for round in 0..<rounds {
        try await job.saveSnapshot(round % 2 == 0 ? "idle" : "busy")
        try await job.schedule(Child(number: 1))
      }
    }
    try await run(1, rounds: 6)
    #expect(Set(outbox.all.map(\.id)).count == 6)
    try await run(2, rounds: 6)
    #expect(Set(outbox.all.map(\.id)).count == 6)
  }

  @Test("a child's id is the one that its handle has, in each attempt, and sorts with its parent's")
  func ids() async throws {
    let outbox = Outbox()
    let first = try await attempt(1, outbox).schedule(Child(number: 1))
    let second = try await attempt(2, outbox).schedule(Child(number: 1))
    #expect(first.id == second.id && first.id == outbox.all[0].id)
    #expect(first.key.uuid == first.id.uuid)
    #expect("\(first.id)".prefix(13) == "\(parent)".prefix(13))
    #expect("\(first.id)".dropFirst(14).first == "8")
  }

  @Test("the children of a job of nobody are nobody's, whoever's the service is")
  func nobodysChildren() async throws {
    let outbox = Outbox()
    var link = JobLink()
    link.scheduling = outbox
    let job = JobContext(
      assignment: JobAssignment(job: parent, type: .named("a:parent"), attempt: 1),
      logger: Logger(label: "test"), link: link)
    try await job.schedule(Child(number: 1))
    try await outbox.schedule(Child(number: 2))
    try await outbox.schedule(Child(number: 3), options: JobOptions(tenant: .zero, user: .zero))
    for (place, isFilled) in [(0, false), (1, true), (2, false)] {
      var submission = outbox.all[place]
      submission.fillOwner(tenant: tenant, user: user)
      #expect(submission.tenantID == (isFilled ? tenant : .zero))
      #expect(submission.userID == (isFilled ? user : .zero))
    }
  }

  @Test("children belong to the parent's trace, unless they were given another")
  func trace() async throws {
    let outbox = Outbox()
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    let job = attempt(1, outbox, context: ["traceparent": parent, "request": "17"])
    try await job.schedule(Child(number: 1))
    #expect(outbox.all[0].context == ["traceparent": parent])
    let own = ["traceparent": "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"]
    try await job.schedule(Child(number: 2), options: JobOptions(context: own))
    #expect(outbox.all[1].context == own)
    let baggage = ["baggage": "a=b"]
    try await job.schedule(Child(number: 3), options: JobOptions(context: baggage))
    #expect(outbox.all[2].context == ["traceparent": parent, "baggage": "a=b"])
  }

  @Test("a key that is given is the key")
  func given() async throws {
    let outbox = Outbox()
    let key = IdempotencyKey(uuid: UUID())
    let handle = try await attempt(1, outbox).schedule(Child(number: 1), key: key)
    #expect(outbox.all.first?.idempotencyKey == key)
    #expect(handle.key == key)
    let handles = try await attempt(1, outbox).schedule(
      [Child(number: 1), Child(number: 2)], options: JobOptions(key: key))
    #expect(handles[0].key == key)
    #expect(handles[1].key != key)
  }

  @Test("without somebody who schedules there is an error that says so")
  func nobody() async throws {
    let job = JobContext(
      assignment: JobAssignment(job: parent, type: .named("a:b"), attempt: 1),
      logger: Logger(label: "test"))
    await #expect(throws: CannotSchedule.self) { try await job.schedule(Child(number: 1)) }
  }
}
