import AMQP
import JobClient
import JobTransport
import Jobs
import Synchronization

/// A steady rate of jobs, over HTTP, and how long each takes to be accepted, to run and to be completed.
///
/// Nobody is asked while it is measured. A job says itself when its callback began, in its result, which is read when all is
/// over; that it is completed tells its event on `jobs.events`. All times are the machine's one monotonic clock.
enum LatencyPhase {
  /// What happened to one job when.
  private struct Times: Sendable {
    var sent: MonotonicTime?
    var accepted: MonotonicTime?
    var begun: MonotonicTime?
    var completed: MonotonicTime?
  }

  private final class Log: Sendable {
    private let times = Mutex<[JobID: Times]>([:])

    func note(_ job: JobID, _ change: (inout Times) -> Void) {
      times.withLock { change(&$0[job, default: Times()]) }
    }

    var all: [Times] { times.withLock { Array($0.values) } }

    /// How many of those that are measured are known to be completed.
    var completedCount: Int {
      times.withLock { $0.values.count { $0.sent != nil && $0.completed != nil } }
    }
  }

  /// How long an event may take to come.
  private static let patience = Duration.seconds(30)

  static func run(_ system: BenchSystem) async throws -> BenchReport.Phase {
    let settings = system.settings
    try await system.startKnownWorker()
    let log = Log()
    let warmUp = settings.rate
    let jobs = settings.rate * settings.seconds
    let usages = try await listening(system, log) {
      system.progress.step("warming up")
      try await schedule(warmUp, system, nil)
      system.progress.step("\(settings.rate) jobs a second for \(settings.seconds) s")
      let usages = try await system.measured {
        try await schedule(jobs, system, log)
        try await untilCompleted(jobs, log)
      }.usages
      return usages
    }
    try await readResults(system, log)
    var report = report(log, jobs: jobs)
    report.add(usages, jobs: jobs)
    return report
  }

  /// Sends each job at its time, however long the ones before it take.
  ///
  /// - Parameter log: of those that are measured.
  private static func schedule(_ count: Int, _ system: BenchSystem, _ log: Log?) async throws {
    let type = try BenchJobs.stamp()
    let start = ContinuousClock.now
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<count {
        let time = start + .seconds(Double(number) / Double(system.settings.rate))
        try await ContinuousClock().sleep(until: time, tolerance: .zero)
        group.addTask {
          let sent = MonotonicTime.now
          let job = try await system.client.schedule(ScheduleRequest(type: type)).job
          let accepted = MonotonicTime.now
          log?.note(job.id) { times in
            times.sent = sent
            times.accepted = accepted
          }
        }
        if log != nil, number % system.settings.rate == system.settings.rate - 1 {
          system.progress.count(
            "sent", number + 1, of: count, perSecond: Double(system.settings.rate))
        }
      }
      try await group.waitForAll()
    }
  }

  /// Notes the completions while `body` runs.
  private static func listening<Answer: Sendable>(
    _ system: BenchSystem, _ log: Log, _ body: @escaping @Sendable () async throws -> Answer
  ) async throws -> Answer {
    try await BenchBroker(system.site.broker).connected { connection in
      let queue = try await connection.declareServerNamedQueue()
      try await connection.bind(
        Binding(
          queue: queue, source: system.names.events,
          routingKey: "completed.\(BenchJobs.queueName).bench.stamp"))
      let consumer = try await connection.consume(
        Subscription(queue: queue, prefetch: 0, noAck: true))
      return try await withThrowingTaskGroup(of: Answer?.self) { group in
        group.addTask { try await body() }
        group.addTask {
          for try await deliveries in consumer {
            let now = MonotonicTime.now
            for delivery in deliveries {
              guard let job = try job(of: delivery.message) else { continue }
              log.note(job) { $0.completed = now }
            }
          }
          return nil
        }
        defer { group.cancelAll() }
        while let next = try await group.next() {
          if let answer = next { return answer }
          if !Task.isCancelled { throw BenchError.broker("it sends no more events") }
        }
        throw CancellationError()
      }
    }
  }

  private static func job(of event: Message) throws -> JobID? {
    guard case .string(let id) = try JSONValue(parsing: event.body).members?["job"] else {
      return nil
    }
    return JobID(id)
  }

  /// Looks at what has been noted here; nobody else is asked. The warm-up's jobs are in the log with their completion alone.
  private static func untilCompleted(_ jobs: Int, _ log: Log) async throws {
    let end = ContinuousClock.now + patience
    while log.completedCount < jobs, ContinuousClock.now < end {
      try await Task.sleep(for: .milliseconds(100))
    }
  }

  /// Asks for the results, page by page.
  private static func readResults(_ system: BenchSystem, _ log: Log) async throws {
    system.progress.step("reading the results")
    let type = try BenchJobs.stamp()
    var page = 1
    while true {
      let list = try await system.client.list(JobFilter(type: type, page: page, pageSize: 1000))
      for job in list.jobs {
        guard case .integer(let begun) = job.result?.members?["begun"] else { continue }
        log.note(job.id) { $0.begun = MonotonicTime(nanoseconds: begun) }
      }
      if list.jobs.count < 1000 { return }
      page += 1
    }
  }

  private static func report(_ log: Log, jobs: Int) -> BenchReport.Phase {
    var accepting = Latencies()
    var starting = Latencies()
    var startingFromRequest = Latencies()
    var completing = Latencies()
    var all = Latencies()
    for times in log.all {
      guard let sent = times.sent, let accepted = times.accepted else { continue }
      accepting.record(from: sent, to: accepted)
      guard let begun = times.begun else { continue }
      // A worker may have a job before its producer has the answer.
      starting.record(from: accepted, to: max(accepted, begun))
      startingFromRequest.record(from: sent, to: begun)
      guard let completed = times.completed else { continue }
      completing.record(from: begun, to: completed)
      all.record(from: sent, to: completed)
    }
    var report = BenchReport.Phase(.latency)
    report.latencies = [
      .init("request to accepted", accepting), .init("accepted to running", starting),
      .init("request to running", startingFromRequest), .init("running to completed", completing),
      .init("request to completed", all),
    ]
    report.figures = [.init("jobs not seen to complete", Double(jobs - all.count))]
    return report
  }
}
