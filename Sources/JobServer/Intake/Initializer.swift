import Jobs
import Logging
import ServiceLifecycle
import Synchronization

/// Has new jobs looked at by the init callback of their type, where it has one, before they may run.
///
/// Over HTTP that is part of the request, and its error refuses the job. A job that came as a message, or whose server was
/// restarted meanwhile, is `initializing` until a worker of its type is there; then the error fails it.
final class Initializer: Service {
  private let store: any JobStore
  private let callbacks: any CallbackCalling
  private let logger: Logger
  private let clock: any ServerClock
  private let wakeUp = Signal()
  /// Until a callback that did not answer is called again.
  private static let pause = Duration.seconds(5)

  private let underWay = Mutex<Set<JobID>>([])

  init(
    store: any JobStore, callbacks: any CallbackCalling, logger: Logger,
    clock: any ServerClock = SystemClock()
  ) {
    self.store = store
    self.callbacks = callbacks
    self.logger = logger
    self.clock = clock
  }

  /// There is a job to look at, or a worker that may look.
  func wake() {
    wakeUp.raise()
  }

  func run() async throws {
    await cancelWhenGracefulShutdown {
      var isLeft = false
      while !Task.isCancelled {
        await self.wakeUp.wait(atMost: isLeft ? Self.pause : nil, clock: self.clock)
        do {
          isLeft = try await !self.examineAll()
        } catch {
          isLeft = true
          self.logger.error("new jobs could not be examined", metadata: ["error": "\(error)"])
        }
      }
    }
  }

  /// Initializes a job for a client that waits, and takes it back when it is refused, unless others were told of it.
  func initialize(_ job: Job) async throws(ScheduleError) -> Job {
    guard begin(job.id) else { return job }
    defer { end(job.id) }
    let outcome = await callbacks.call(.initialize, for: job)
    do {
      if case .done = outcome { return try await finish(job) }
      switch try await store.withdraw(job.id, at: clock.now) {
      case .refused(let current) where current.status == .initializing:
        // Somebody else was told of it. It waits for a worker now, or fails, as one that came as a message does.
        guard case .failed(let message) = outcome else { return current }
        return try await fail(current, message)
      // One that was canceled meanwhile is its user's.
      case .refused, .deleted, .unknown: break
      }
    } catch {
      throw .store(error)
    }
    switch outcome {
    case .failed(let message): throw .refused(job.type, message)
    case .done, .nobody: throw .nobody(job.type)
    case .noAnswer: throw .noAnswer(job.type)
    }
  }

  /// - Returns: whether all were answered, or wait for a worker.
  private func examineAll() async throws -> Bool {
    var all = true
    var last: JobID?
    while !Task.isCancelled {
      let jobs = try await store.jobs(in: [.initializing], after: last, limit: Recovery.batchSize)
      guard let end = jobs.last else { break }
      last = end.id
      await withTaskGroup { group in
        for job in jobs { group.addTask { await self.examine(job) } }
        for await done in group where !done { all = false }
      }
    }
    return all
  }

  private func examine(_ job: Job) async -> Bool {
    guard begin(job.id) else { return true }
    defer { end(job.id) }
    do {
      switch await callbacks.call(.initialize, for: job) {
      case .done:
        _ = try await finish(job)
      case .failed(let message):
        _ = try await fail(job, message)
      case .nobody:
        logger.debug("a new job waits for a worker", metadata: ["job": "\(job.id)"])
      case .noAnswer:
        logger.notice("a worker did not answer for a new job", metadata: ["job": "\(job.id)"])
        return false
      }
      return true
    } catch {
      logger.error(
        "a new job could not be kept", metadata: ["job": "\(job.id)", "error": "\(error)"])
      return false
    }
  }

  private func finish(_ job: Job) async throws(StoreError) -> Job {
    let result = try await store.apply(
      JobCommand(.finishInitialization, of: job.id), at: clock.now)
    return result?.job ?? job
  }

  private func fail(_ job: Job, _ message: String) async throws(StoreError) -> Job {
    let result = try await store.apply(
      JobCommand(.failInitialization(message), of: job.id), at: clock.now)
    return result?.job ?? job
  }

  private func begin(_ id: JobID) -> Bool {
    underWay.withLock { $0.insert(id).inserted }
  }

  private func end(_ id: JobID) {
    _ = underWay.withLock { $0.remove(id) }
  }
}
