import AMQP
import Foundation
import Jobs
import Synchronization
import TestSupport
import Testing

@testable import JobWorker

/// Grants every claim and remembers nothing.
private final class ForgetfulAuthority: JobAuthority {
  let ended = Atomic(0)
  private let type: JobTypeID

  init(_ type: JobTypeID) {
    self.type = type
  }

  func claim(_ requests: [ClaimRequest]) async throws(AuthorityError) -> [ClaimAnswer] {
    requests.map { request in
      .run(JobAssignment(job: request.job, type: type, attempt: 1, timeout: .seconds(3_600)))
    }
  }

  func report(_ reports: [JobReport]) async throws(AuthorityError) {
    let count = reports.count { if case .ended(.completed) = $0.content { true } else { false } }
    _ = ended.add(count, ordering: .relaxed)
  }

  func lock(_ requests: [LockRequest]) async throws(AuthorityError) -> [LockAnswer] { [] }
}

@Suite(.timeLimit(.minutes(5))) struct WorkerMemoryTests {
  /// Cancelled sleeps for time-out and detachment used to stay for hours: 0.7 kB and more a job, 250 MB in this test.
  @Test func aWorkerDoesNotGrowWithTheJobsThatItHasRun() async throws {
    let type = try testType { _ in nil }
    let authority = ForgetfulAuthority(type.description.id)
    var registry = JobRegistry()
    try registry.register(type)
    let (lifecycle, deadlines, condition) = (
      WorkerLifecycle(), DeadlineQueue(), WorkerCondition()
    )
    let jobs = JobsAtHand()
    let lanes = Lanes([JobQueue(name: .compute, capacity: 16)])
    let worker = WorkerID(rawValue: "w")
    let desk = TicketDesk(
      worker: worker, registry: registry, jobs: jobs, lanes: lanes, authority: authority,
      executor: Executor(
        authority: authority, worker: worker, settings: ExecutionSettings(),
        sender: ReportSender(
          authority: authority, keep: { jobs.keep($0) }, lifecycle: lifecycle, logger: silent),
        deadlines: deadlines, condition: condition, onTrouble: { _, _ in }, logger: silent),
      lifecycle: lifecycle, detachAfter: .seconds(600), deadlines: deadlines,
      condition: condition, logger: silent)
    let slots = SlotGate(capacity: 16)

    func run(_ count: Int) async throws {
      await withDiscardingTaskGroup { group in
        for _ in 0..<16 {
          group.addTask {
            for _ in 0..<(count / 16) {
              let ticket = ReceivedTicket(
                ticket: Ticket(job: JobID(), type: type.description.id), queue: .compute,
                source: 1, tag: DeliveryTag(generation: 1, value: 1))
              await desk.handle(ticket, in: slots)
            }
          }
        }
      }
    }

    try await run(20_000)
    let before = try residentBytes()
    try await run(200_000)
    let growth = try residentBytes() - before
    #expect(authority.ended.load(ordering: .relaxed) == 220_000)
    #expect(deadlines.count == 0)
    // Other tests run in the same process.
    #expect(growth < 60 << 20, "grew by \(growth >> 10) KiB over 200,000 jobs")
  }

  /// VmRSS of proc(5).
  private func residentBytes() throws -> Int {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
    return try #require(Int(line.split(separator: " ").dropLast().last ?? "")) << 10
  }
}
