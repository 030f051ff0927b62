import AMQP
import Foundation
import Jobs
import Synchronization
import TestSupport
import Testing

@testable import JobWorker

/// Grants every claim and remembers nothing.
private final class ForgetfulAuthority: JobAuthority {
  private let ended = Mutex((count: 0, goal: 0, reached: Signal()))
  private let type: JobTypeID

  init(_ type: JobTypeID) {
    self.type = type
  }

  func claim(_ requests: [ClaimRequest]) async throws(AuthorityError) -> [ClaimAnswer] {
    requests.map { request in
      ClaimAnswer(
        jobs: (0..<request.count).map { _ in
          JobAssignment(job: JobID(), type: type, attempt: 1, timeout: .seconds(3_600))
        }, rest: .void)
    }
  }

  func report(_ reports: [JobReport]) async throws(AuthorityError) {
    let count = reports.count { if case .ended(.completed) = $0.content { true } else { false } }
    let reached = ended.withLock { ended in
      ended.count += count
      return ended.count >= ended.goal ? ended.reached : nil
    }
    reached?.fire()
  }

  /// Waits until so many jobs have ended in all.
  func wait(for goal: Int) async -> Bool {
    let reached = ended.withLock { ended in
      ended.goal = goal
      ended.reached = Signal()
      if ended.count >= goal { ended.reached.fire() }
      return ended.reached
    }
    return await reached.wait(for: .seconds(240))
  }

  var count: Int { ended.withLock(\.count) }

  func lock(_ requests: [LockRequest]) async throws(AuthorityError) -> [LockAnswer] { [] }
}

@Suite(.timeLimit(.minutes(5))) struct WorkerMemoryTests {
  /// Cancelled sleeps for time-out and detachment used to stay for hours: 0.7 kB and more a job, 250 MB in this test.
  @Test func aWorkerDoesNotGrowWithTheJobsThatItHasRun() async throws {
    let type = try testType { _ in nil }
    let authority = ForgetfulAuthority(type.description.id)
    let harness = try LaneHarness(
      authority, types: [type], capacity: 16, queue: MemoryQueue(records: false))
    let growth = Recorder<Int>()
    let isOver = try await harness.run {
      harness.queue.publish(20_000)
      #expect(await authority.wait(for: 20_000))
      let before = try residentBytes()
      for step in 1...10 {
        harness.queue.publish(20_000)
        #expect(await authority.wait(for: 20_000 + 20_000 * step))
      }
      growth.add(try residentBytes() - before)
    }
    #expect(isOver)
    #expect(authority.count == 220_000)
    #expect(harness.deadlines.count == 0)
    #expect(harness.attempts.running.isEmpty)
    // Other tests run in the same process.
    let bytes = try #require(growth.all.first)
    #expect(bytes < 60 << 20, "grew by \(bytes >> 10) KiB over 200,000 jobs")
  }

  /// VmRSS of proc(5).
  private func residentBytes() throws -> Int {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
    return try #require(Int(line.split(separator: " ").dropLast().last ?? "")) << 10
  }
}
