import Foundation
import Jobs
import Testing

@testable import Warren

/// Who waits for which job, without a broker.
@Suite("Waiting for jobs")
struct WaitTableTests {
  private func job(_ id: JobID, _ status: JobStatus = .running) -> Job {
    var job = Job(
      id: id, tenantID: .zero, userID: .zero, idempotencyKey: id.uuid, type: .named("a:b"),
      queue: .compute, params: [:], timeout: .zero, retry: .never, scheduledAt: .now,
      createdAt: .now)
    job.status = status
    return job
  }

  private func wait(_ table: WaitTable, _ id: JobID) -> Task<Job, any Error> {
    let token = table.newToken()
    return Task {
      defer { table.forget(token) }
      return try await withTaskCancellationHandler {
        try await withCheckedThrowingContinuation { table.wait(for: id, .zero, token, $0) }
      } onCancel: {
        table.giveUp(id, token)
      }
    }
  }

  /// Waits until something is to be asked, and takes it.
  private func wishes(_ table: WaitTable) async -> WaitTable.Wishes? {
    for await _ in table.wakeUps {
      if let wishes = table.takeWishes()[.zero] { return wishes }
    }
    return nil
  }

  @Test("a wait is asked once, and ends with the job")
  func ends() async throws {
    let table = WaitTable()
    let id = JobID()
    let first = wait(table, id)
    #expect(await wishes(table)?.ends == [id])
    #expect(table.takeWishes().isEmpty)
    table.tell(job(id))
    table.tell(job(id, .suspended))
    table.tell(job(id, .completed))
    #expect(try await first.value.status == .completed)
    // Nobody waits any more.
    table.tell(job(id, .completed))
    table.askAgain()
    #expect(table.takeWishes().isEmpty)
  }

  @Test("after a loss of the connection everything is asked again")
  func again() async throws {
    let table = WaitTable()
    let id = JobID()
    let task = wait(table, id)
    _ = await wishes(table)
    table.askAgain()
    #expect(table.takeWishes()[.zero]?.ends == [id])
    table.tell(job(id, .failed))
    #expect(try await task.value.status == .failed)
  }

  @Test("a wait that is cancelled ends, before it begins and while it lasts")
  func cancelled() async throws {
    let table = WaitTable()
    let id = JobID()
    let task = wait(table, id)
    _ = await wishes(table)
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    let early = wait(table, id)
    early.cancel()
    await #expect(throws: CancellationError.self) { try await early.value }
    table.askAgain()
    #expect(table.takeWishes().isEmpty)
  }

  @Test("a job that is not known is asked again, more and more rarely, and then given up")
  func unknown() async throws {
    let table = WaitTable()
    let id = JobID()
    let task = wait(table, id)
    _ = await wishes(table)
    #expect(table.noteUnknown(id, limit: .seconds(30)) == .milliseconds(20))
    table.askAgain(id)
    #expect(table.takeWishes()[.zero]?.ends == [id])
    #expect(table.noteUnknown(id, limit: .zero) == nil)
    await #expect(throws: UnknownJob(id: id)) { try await task.value }
  }

  @Test("who watches sees what is new, and the end")
  func watches() async throws {
    let table = WaitTable()
    let id = JobID()
    let stream = AsyncThrowingStream<Job, any Error> { continuation in
      table.watch(id, .zero, table.newToken(), continuation)
    }
    #expect(await wishes(table)?.watches == [id])
    table.tell(job(id))
    table.tell(job(id, .completed))
    var seen: [JobStatus] = []
    for try await job in stream { seen.append(job.status) }
    #expect(seen == [.running, .completed])
  }

  @Test("when the service ends, nobody waits for ever")
  func serviceEnds() async throws {
    let table = WaitTable()
    let task = wait(table, JobID())
    _ = await wishes(table)
    table.fail(JobDeskError("the service has ended"))
    await #expect(throws: JobDeskError.self) { try await task.value }
    // Nor does whoever comes later.
    let id = JobID()
    await #expect(throws: JobDeskError.self) { try await wait(table, id).value }
    let watched = AsyncThrowingStream<Job, any Error> { continuation in
      table.watch(id, .zero, table.newToken(), continuation)
    }
    await #expect(throws: JobDeskError.self) { for try await _ in watched {} }
    #expect(throws: JobDeskError.self) { try table.checkIsOpen() }
  }
}
