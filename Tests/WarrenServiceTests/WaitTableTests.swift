import Foundation
import Jobs
import Testing

@testable import Warren

/// Who waits for which job, without a broker.
@Suite("Waiting for jobs")
struct WaitTableTests {
  private func job(
    _ id: JobID, _ status: JobStatus = .running, of tenant: UUID = .zero
  ) -> Job {
    var job = Job(
      id: id, tenantID: tenant, userID: .zero, idempotencyKey: id.uuid, type: .named("a:b"),
      queue: .compute, params: [:], timeout: .zero, retry: .never, scheduledAt: .now,
      createdAt: .now)
    job.status = status
    return job
  }

  private func asked(_ id: JobID, of tenant: UUID = .zero) -> AskedJob {
    AskedJob(tenant: tenant, id: id)
  }

  private func wait(_ table: WaitTable, _ id: JobID, of tenant: UUID = .zero) -> Task<
    Job, any Error
  > {
    Task { try await table.end(of: AskedJob(tenant: tenant, id: id)) }
  }

  /// Waits until something is to be asked, and takes it.
  private func wishes(_ table: WaitTable, of tenant: UUID = .zero) async -> WaitTable.Wishes? {
    for await _ in table.wakeUps {
      if let wishes = table.takeWishes()[tenant] { return wishes }
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
    table.tell(job(id), isOfWatch: true)
    table.tell(job(id, .suspended), isOfWatch: true)
    table.tell(job(id, .completed), isOfWatch: true)
    #expect(try await first.value.status == .completed)
    // Nobody waits any more.
    table.tell(job(id, .completed), isOfWatch: true)
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
    table.tell(job(id, .failed), isOfWatch: true)
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
    #expect(table.noteUnknown(asked(id), limit: .seconds(30)) == .milliseconds(20))
    table.ask(.init(jobs: [asked(id)]))
    #expect(table.takeWishes()[.zero]?.ends == [id])
    #expect(table.noteUnknown(asked(id), limit: .zero) == nil)
    await #expect(throws: UnknownJob(id: id)) { try await task.value }
  }

  @Test("who watches sees what is new, and the end")
  func watches() async throws {
    let table = WaitTable()
    let id = JobID()
    let changes = table.changes(of: asked(id))
    #expect(await wishes(table)?.watches == [id])
    table.tell(job(id), isOfWatch: true)
    var seen: [JobStatus] = []
    for try await job in changes {
      seen.append(job.status)
      if !job.status.isFinal { table.tell(self.job(id, .completed), isOfWatch: true) }
    }
    #expect(seen == [.running, .completed])
  }

  @Test(
    "a job that is awaited and watched is asked for once a pause, however often it is said to be unknown"
  )
  func unknownTwice() async throws {
    let table = WaitTable()
    let id = JobID()
    let task = wait(table, id)
    _ = await wishes(table)
    let changes = table.changes(of: asked(id))
    let both = await wishes(table)
    #expect(both?.ends == [id] && both?.watches == [id])
    #expect(table.noteUnknown(asked(id), limit: .seconds(30)) != nil)
    for _ in 0..<3 { #expect(table.noteUnknown(asked(id), limit: .seconds(30)) == nil) }
    table.ask(.init(jobs: [asked(id)]))
    #expect(table.takeWishes()[.zero]?.watches == [id])
    #expect(table.noteUnknown(asked(id), limit: .seconds(30)) != nil)
    table.tell(job(id, .completed), isOfWatch: false)
    #expect(try await task.value.status == .completed)
    var seen: [JobStatus] = []
    for try await job in changes { seen.append(job.status) }
    #expect(seen == [.completed])
  }

  @Test("what is told to one tenant is not told to another, and does not stand in its way")
  func tenants() async throws {
    let table = WaitTable()
    let id = JobID()
    let other = UUID()
    let own = wait(table, id)
    _ = await wishes(table)
    let stranger = wait(table, id, of: other)
    #expect(await wishes(table, of: other)?.ends == [id])
    #expect(table.noteUnknown(asked(id, of: other), limit: .zero) == nil)
    await #expect(throws: UnknownJob(id: id)) { try await stranger.value }
    table.tell(job(id, .completed, of: other), isOfWatch: false)
    table.askAgain()
    #expect(table.takeWishes()[.zero]?.ends == [id])
    table.tell(job(id, .completed), isOfWatch: false)
    #expect(try await own.value.tenantID == .zero)
  }

  @Test("the server is told of a watch that nobody needs any longer")
  func unwatched() async throws {
    let table = WaitTable()
    let id = JobID()
    let task = Task { [changes = table.changes(of: asked(id))] in
      for try await _ in changes {}
    }
    _ = await wishes(table)
    task.cancel()
    #expect(await wishes(table)?.over == [id])
    #expect(table.takeWishes().isEmpty)
    // Nor does one that rests concern anybody.
    let resting = table.changes(of: asked(id))
    _ = await wishes(table)
    table.tell(job(id, .suspended), isOfWatch: true)
    for try await _ in resting {}
    #expect(await wishes(table)?.over == [id])
  }

  @Test("what is told besides a watch is older, maybe, and does not pass for news of it")
  func order() async throws {
    let table = WaitTable()
    let id = JobID()
    let task = wait(table, id)
    _ = await wishes(table)
    let changes = table.changes(of: asked(id))
    table.tell(job(id), isOfWatch: true)
    table.tell(job(id, .suspended), isOfWatch: false)
    var seen: [JobStatus] = []
    for try await job in changes {
      seen.append(job.status)
      if !job.status.isFinal { table.tell(self.job(id, .completed), isOfWatch: true) }
    }
    #expect(seen == [.running, .completed])
    #expect(try await task.value.status == .completed)
  }

  @Test(
    "the longer a wait lasts, the more rarely its job is asked for unasked; one that is watched each minute"
  )
  func audits() async throws {
    let table = WaitTable()
    let (awaited, watched) = (JobID(), JobID())
    let task = wait(table, awaited)
    _ = await wishes(table)
    let changes = table.changes(of: asked(watched))
    _ = await wishes(table)
    var ends: [Int] = []
    var watches = 0
    let begin = ContinuousClock.now
    for minute in 1...60 {
      table.audit(at: begin + .seconds(60 * minute + 1))
      let wishes = table.takeWishes()[.zero]
      if wishes?.ends == [awaited] { ends.append(minute) }
      if wishes?.watches == [watched] { watches += 1 }
    }
    #expect(watches == 60)
    #expect(ends.prefix(5) == [1, 2, 4, 7, 11] && ends.count < 12, "\(ends)")
    task.cancel()
    _ = changes
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
    let watched = table.changes(of: asked(id))
    await #expect(throws: JobDeskError.self) { for try await _ in watched {} }
    #expect(throws: JobDeskError.self) { try table.checkIsOpen() }
  }
}
