import AMQP
import Foundation
import JobClient
import JobConfig
import JobTransport
import Jobs
import Synchronization
import Warren

/// A server and workers as processes of their own, made for one phase and gone after it.
final class BenchSystem: Sendable {
  let site: BenchSite
  let settings: BenchSettings
  let progress: BenchProgress
  let names: TransportNames
  /// Whose jobs the benchmark's are: nobody else's are counted.
  let tenant = UUID()
  /// Where the API listens.
  let port: Int
  let client: JobClient
  /// How long it took from the server's start until it was ready, in seconds.
  private let startSeconds = Mutex(0.0)
  private let arguments: [String]
  private let environment: [String: String]
  private let children = Mutex<[ChildProgram]>([])
  private let failures = AsyncStream.makeStream(of: BenchError.self)

  /// How long a server may take to be ready: it may have to look through a large store.
  private static let startLimit = Duration.seconds(300)

  /// Stands a system up, runs `body`, and takes all of it down, whatever happens.
  ///
  /// - Parameters:
  ///   - prepare: run before the server starts.
  ///   - body: ends early when the server or a worker ends by itself.
  static func run<Answer: Sendable>(
    _ site: BenchSite, _ settings: BenchSettings, _ progress: BenchProgress,
    prepare: @escaping @Sendable (BenchSystem) async throws -> Void = { _ in },
    _ body: @escaping @Sendable (BenchSystem) async throws -> Answer
  ) async throws -> Answer {
    try site.create()
    let system: BenchSystem
    do {
      system = try await BenchSystem(site, settings, progress)
    } catch {
      try site.remove()
      throw error
    }
    let outcome: Result<Answer, any Error>
    do {
      outcome = .success(
        try await system.watched {
          try await prepare(system)
          try await system.startServer()
          let answer = try await body(system)
          if site.isKept { try await system.drain() }
          return answer
        })
    } catch {
      outcome = .failure(error)
    }
    // In a task of its own: this one may be cancelled.
    let left = await Task { await system.takeDown() }.value
    guard !left.isEmpty else { return try outcome.get() }
    let complaint = BenchError.leftBehind(left)
    if case .failure = outcome { progress.say("\(complaint)") }
    _ = try outcome.get()
    throw complaint
  }

  private init(
    _ site: BenchSite, _ settings: BenchSettings, _ progress: BenchProgress
  ) async throws {
    self.site = site
    self.settings = settings
    self.progress = progress
    names = try TransportNames(prefix: site.prefix)
    port = try await BenchSite.freePort()
    client = try JobClient(server: "http://127.0.0.1:\(port)", tenant: tenant)
    (arguments, environment) = try site.launch(port: port)
  }

  /// The server and the workers that run.
  var programs: [ChildProgram] { children.withLock { $0 } }

  /// Runs `body` and looks meanwhile at what the server and the workers take of the machine.
  func measured<Value: Sendable>(
    _ body: @escaping @Sendable () async throws -> Value
  ) async throws -> (value: Value, usages: [(role: String, usage: UsageWatch.Usage)]) {
    try await UsageWatch.during({ self.programs }, body)
  }

  /// How long the server took to be ready, in seconds.
  var timeToStart: Double { startSeconds.withLock { $0 } }

  // MARK: Processes

  private func startServer() async throws {
    progress.step("starting the server")
    let begin = MonotonicTime.now
    _ = try await start("server", ["serve"] + arguments)
    try await client.waitUntilReady(timeout: Self.startLimit, interval: .milliseconds(20))
    startSeconds.withLock { $0 = MonotonicTime.now.seconds(since: begin) }
  }

  /// Starts a worker, and does not wait for it.
  @discardableResult
  func startWorker() async throws -> ChildProgram {
    try await start(
      "worker", ["bench-worker"] + arguments + ["--capacity", String(settings.capacity)])
  }

  /// Starts a worker, and waits until the server knows it.
  @discardableResult
  func startKnownWorker() async throws -> ChildProgram {
    progress.step("starting a worker")
    let worker = try await startWorker()
    try await eventually("the server knows the worker") { [client] in
      try await client.workers().workers.contains { $0.processID == worker.processID }
    }
    return worker
  }

  /// Has the server learn the job types: a worker announces them, and goes.
  func registerTypes() async throws {
    let worker = try await startKnownWorker()
    try await stop(worker)
  }

  func stop(_ program: ChildProgram) async throws {
    await program.stop()
    children.withLock { $0.removeAll { $0 === program } }
    try Task.checkCancellation()
  }

  private func start(_ role: String, _ arguments: [String]) async throws -> ChildProgram {
    let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let child = try await ChildProgram.start(
      role, program, arguments, environment: environment,
      onEnd: { [failure = failures.continuation] in failure.yield($0) })
    children.withLock { $0.append(child) }
    return child
  }

  /// Waits until something has come true that tells nobody when it does.
  private func eventually(
    _ what: String, _ condition: @Sendable () async throws -> Bool
  ) async throws {
    let end = ContinuousClock.now + .seconds(30)
    while ContinuousClock.now < end {
      if try await condition() { return }
      try await Task.sleep(for: .milliseconds(50))
    }
    throw BenchError.stalled("within 30 seconds it did not come true that \(what)")
  }

  private func watched<Answer: Sendable>(
    _ body: @escaping @Sendable () async throws -> Answer
  ) async throws -> Answer {
    try await withThrowingTaskGroup(of: Answer?.self) { group in
      group.addTask { try await body() }
      group.addTask { [failures = failures.stream] in
        for await failure in failures { throw failure }
        return nil
      }
      defer { group.cancelAll() }
      while let next = try await group.next() {
        if let answer = next { return answer }
      }
      throw CancellationError()
    }
  }

  /// Ends the workers, then the server, and removes what they had, unless it is the operator's own.
  ///
  /// - Returns: what could not be removed.
  private func takeDown() async -> [String] {
    progress.step("cleaning up")
    for program in programs.reversed() { await program.stop() }
    children.withLock { $0 = [] }
    var left: [String] = []
    if !site.isKept {
      do {
        let queues = JobQueue.builtIn.map(\.name) + [try JobQueueName(BenchJobs.queueName)]
        left += await BenchBroker(site.broker).delete(names, queues: queues)
      } catch {
        left.append("\(error)")
      }
    }
    do {
      try site.remove()
    } catch {
      left.append("\(site.folder.path): \(error)")
    }
    return left
  }

  // MARK: Jobs

  /// Runs what still waits, so that nothing of the benchmark's is left to an operator's workers.
  private func drain() async throws {
    let open = JobCounter(client: client, filter: JobFilter(statuses: [.waiting, .running]))
    guard try await open.count() > 0 else { return }
    let total = try await JobCounter(client: client).count()
    progress.step("running what is left")
    if !programs.contains(where: { $0.role == "worker" }) { try await startKnownWorker() }
    _ = try await completed.wait(for: total, progress)
  }

  /// Counts the jobs that are stored.
  var stored: JobCounter { JobCounter(client: client, what: "stored") }

  /// Counts the jobs that are completed.
  var completed: JobCounter {
    JobCounter(client: client, filter: JobFilter(statuses: [.completed]), what: "completed")
  }

  /// Publishes no-op jobs, as a producer does: batch after batch, a few of them unconfirmed at a time.
  ///
  /// - Returns: when the broker had confirmed the last of them.
  func publish(_ count: Int) async throws -> MonotonicTime {
    let type = try BenchJobs.noop()
    let batch = settings.batch
    return try await JobService.connect(
      broker: site.broker.url, prefix: site.prefix, logger: BenchBroker.quiet
    ) { [tenant] jobs in
      try await withThrowingTaskGroup(of: Void.self) { group in
        var open = 0
        for first in stride(from: 0, to: count, by: batch) {
          if open == Self.batchesInFlight {
            try await group.next()
            open -= 1
          }
          let submissions = Array(
            repeating: JobSubmission(type: type, tenantID: tenant),
            count: min(batch, count - first))
          group.addTask { _ = try await jobs.submit(submissions) }
          open += 1
        }
        try await group.waitForAll()
      }
      return MonotonicTime.now
    }
  }

  private static let batchesInFlight = 4

  /// Publishes jobs and waits until all of them are stored.
  func store(_ count: Int) async throws {
    let before = try await stored.count()
    _ = try await publish(count)
    _ = try await stored.wait(for: before + count, progress)
  }
}
