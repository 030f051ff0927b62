import Foundation
import Jobs
import ServiceLifecycle
import SystemPackage
import TestSupport
import Testing

@testable import JobWorker

/// Workers that cannot do their work, in part or at all.
@Suite(.needsBroker, .timeLimit(.minutes(3))) struct WorkerOutageTests {
  private func scratch() -> FilePath {
    FilePath(FileManager.default.temporaryDirectory.path)
      .appending("test-\(UUID().uuidString)")
  }

  private func echo(in runtime: CommandRuntime) throws -> RegisteredJobType {
    try CommandJobType(
      group: JobGroup("test", queue: .compute), name: "job",
      command: ["echo", "done"]
    ).registered(in: runtime)
  }

  @Test func aWorkerThatCannotStartProgramsLeavesTheJobToAnotherAndRecovers() async throws {
    let parent = scratch()
    defer { try? FileManager.default.removeItem(atPath: parent.string) }
    let broken = try echo(in: CommandRuntime(in: parent))
    let healthy = try echo(in: CommandRuntime())
    try await BrokerHarness.with { harness in
      try await harness.withWorker([broken]) { worker in
        let id = try await harness.submit(try waitingJob())
        #expect(await harness.authority.waitForOutcomes())
        #expect(harness.authority.outcomes == [.returned])
        #expect(harness.authority.job(id)?.retries == 0)
        #expect(
          await harness.announced(worker.id) {
            $0.outage?.reason.contains(parent.string) == true
          })
        // The server issues a ticket for what was given back. Here, a worker that is well takes it.
        try await harness.issueTicket()
        try await harness.withWorker([healthy]) { _ in
          #expect(await harness.authority.waitForOutcomes(2))
        }
        #expect(harness.authority.job(id)?.status == .completed)
        // Not one more claim of the first.
        #expect(harness.authority.claims.all.count == 2)

        try FileManager.default.createDirectory(
          atPath: parent.string, withIntermediateDirectories: true)
        let next = try await harness.submit(try waitingJob())
        #expect(await harness.authority.waitForOutcomes(3, for: .seconds(60)))
        #expect(harness.authority.job(next)?.status == .completed)
        #expect(await harness.announcedLast(worker.id) { $0.outage == nil })
      }
    }
  }

  @Test func aWorkingDirectoryThatIsMissingTakesItsQueueOutAndNoOther() async throws {
    let directory = scratch()
    defer { try? FileManager.default.removeItem(atPath: directory.string) }
    let runtime = CommandRuntime()
    var bound = try CommandJobType(
      group: JobGroup("test", queue: .compute), name: "job", command: ["pwd"])
    bound.workingDirectory = directory.string
    let free = try CommandJobType(
      group: JobGroup("other", queue: .download), name: "job", command: ["echo", "done"])
    try await BrokerHarness.with { [bound] harness in
      let types = [bound.registered(in: runtime), free.registered(in: runtime)]
      try await harness.withWorker(types) { worker in
        let id = try await harness.submit(try waitingJob())
        #expect(await harness.authority.waitForOutcomes())
        #expect(harness.authority.outcomes == [.returned])
        #expect(harness.authority.job(id)?.retries == 0)
        #expect(
          await harness.announced(worker.id) {
            $0.outage == nil && $0.queueOutages?.map(\.queue) == [.compute]
              && $0.queueOutages?.first?.reason.contains(directory.string) == true
          })

        let other = try await harness.submit(
          try waitingJob("other:job", queue: .download))
        #expect(await harness.authority.waitForOutcomes(2))
        #expect(harness.authority.job(other)?.status == .completed)
        // Nobody takes them for now.
        try await harness.issueTicket()
        let next = try await harness.submit(try waitingJob())

        try FileManager.default.createDirectory(
          atPath: directory.string, withIntermediateDirectories: true)
        #expect(await harness.authority.waitForOutcomes(4, for: .seconds(60)))
        #expect(harness.authority.job(id)?.status == .completed)
        #expect(harness.authority.job(next)?.status == .completed)
        #expect(await harness.announcedLast(worker.id) { $0.queueOutages == nil })
      }
    }
  }

  @Test func aCallbackThatIgnoresItsCancellationIsShownAndEndsTheWorkerInTheEnd() async throws {
    let (started, release) = (Signal(), Signal())
    defer { release.fire() }
    let type = try testType { _ in
      started.fire()
      // Detached, so that it does not hear of its cancellation.
      _ = await Task.detached { await release.wait(for: .seconds(120)) }.value
      return nil
    }
    let other = try testType("other") { _ in nil }
    try await BrokerHarness.with { harness in
      let worker = try harness.worker([type, other], capacity: 2) {
        $0.grace = .milliseconds(50)
        $0.drainLimit = .milliseconds(100)
        $0.stuckLimit = .seconds(2)
      }
      let ended = Recorder<String>()
      try await withThrowingTaskGroup { group in
        group.addTask {
          let services = ServiceGroup(services: worker.services, logger: silent)
          do {
            try await services.run()
            ended.add("without an error")
          } catch {
            ended.add("\(Swift.type(of: error)): \(error)")
          }
        }
        #expect(await harness.announced(worker.id))
        let id = try await harness.submit(try waitingJob(timeout: .milliseconds(50)))
        #expect(await started.wait(for: .seconds(20)))
        #expect(
          await harness.announced(worker.id) {
            $0.stuck?.first?.job == id && $0.stuck?.first?.isSettled == true
          })
        #expect(harness.authority.job(id)?.status == .timedOut)
        // Others are not held up.
        let free = try await harness.submit(try waitingJob("test:other"))
        #expect(await harness.authority.waitForOutcomes(2))
        #expect(harness.authority.job(free)?.status == .completed)
        #expect(await ended.wait { !$0.isEmpty })
        #expect(ended.all.first?.contains("StuckWorkerError: the callback of test:job") == true)
        group.cancelAll()
      }
    }
  }

  @Test func aCallbackThatEndsAfterAllIsStuckNoLonger() async throws {
    var settings = ExecutionSettings(grace: .milliseconds(10))
    settings.stuckLimit = .seconds(3_600)
    let harness = try ExecutorHarness(settings: settings)
    let (started, release) = (Signal(), Signal())
    async let ending = harness.run { _ in
      started.fire()
      _ = await Task.detached { await release.wait(for: .seconds(60)) }.value
      return nil
    }
    #expect(await started.wait(for: .seconds(10)))
    harness.attempt.order(.cancel)
    #expect(try await ProcessProbe.eventually { !harness.condition.stuck.isEmpty })
    #expect(harness.condition.stuck.map(\.job) == [harness.assignment.job])
    // It may be running still, as far as the server knows.
    #expect(harness.condition.stuck.map(\.isSettled) == [false])
    release.fire()
    #expect(try await ending == .reported)
    #expect(harness.condition.stuck.isEmpty)
    #expect(harness.deadlines.count == 0)
    #expect(harness.lifecycle.failure == nil)
  }

  @Test func aHealthyWorkerTouchesItsFileAndTakesItAlong() async throws {
    let path = scratch().string
    let file = HealthFile(path: path)
    #expect(file.problem()?.contains(path) == true)
    let type = try testType { _ in nil }
    try await BrokerHarness.with { harness in
      try await harness.withWorker([type], configure: { $0.healthFile = file }) { _ in
        let isHealthy = try await ProcessProbe.eventually { file.problem() == nil }
        #expect(isHealthy)
        let later = Timestamp(milliseconds: Timestamp.now.milliseconds + 31_000)
        #expect(file.problem(at: later)?.contains("touched") == true)
      }
    }
    #expect(!FileManager.default.fileExists(atPath: path))
  }
}
