import Foundation
import Logging
import Synchronization
import Testing

@testable import Jobs

/// What a job schedules, and under which keys.
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

  /// One attempt of the parent.
  private func attempt(_ number: Int, _ outbox: Outbox) -> JobContext {
    let counts = Counts()
    var link = JobLink()
    link.scheduling = outbox
    link.repetition = { counts.count($0) }
    return JobContext(
      assignment: JobAssignment(
        job: parent, type: .named("a:parent"), attempt: number, tenant: tenant, user: user),
      logger: Logger(label: "test"), link: link)
  }

  private final class Counts: Sendable {
    private let counts = Mutex<[IdempotencyKey: Int]>([:])
    func count(_ key: IdempotencyKey) -> Int {
      counts.withLock { counts in
        defer { counts[key, default: 0] += 1 }
        return counts[key, default: 0]
      }
    }
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
    let keys = outbox.all.map(\.idempotencyKey)
    #expect(Set(keys).count == 3)
    // It goes on from a snapshot: the first is not scheduled again.
    let second = attempt(2, outbox)
    for number in [2, 2, 3] { try await second.schedule(Child(number: number)) }
    let again = outbox.all.dropFirst(3).map(\.idempotencyKey)
    #expect(Array(again.prefix(2)) == Array(keys.suffix(2)))
    #expect(!keys.contains(again[2]))
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
