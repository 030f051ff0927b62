#if DEBUG
  import AMQP
  import Foundation
  import JobTransport
  @testable import JobWorker
  import Jobs
  import Logging
  import Synchronization
  import TestSupport

  /// What a job costs its worker: a ticket is delivered, the job claimed, run and reported, the ticket acknowledged. Broker
  /// and server are functions in memory.
  struct WorkerCost {
    private let tickets = Tickets()
    private let deadlines = DeadlineQueue()
    private let attempts = AttemptsAtHand()
    private let completed = Completions()

    static func measure(into figures: inout [String: Double]) async throws {
      figures["worker.allocations"] = try await WorkerCost().allocations()
      figures["worker.kept-bytes"] = try await WorkerCost().keptBytes()
    }

    private func allocations() async throws -> Double {
      try await run {
        for _ in 0..<5 { try await tickets.deliver(Work.batch) }
        var allocations = Allocations()
        for _ in 0..<20 {
          try await allocations.count { try await tickets.deliver(Work.batch) }
        }
        return allocations.perJob()
      }
    }

    /// How much a worker grows with each job that it has run. Cancelled sleeps for time-out and detachment once stayed for hours: 0.7 kB
    /// and more.
    private func keptBytes() async throws -> Double {
      try await run {
        for _ in 0..<50 { try await tickets.deliver(Work.batch) }
        let before = try residentBytes()
        let batches = 500
        for _ in 0..<batches { try await tickets.deliver(Work.batch) }
        let growth = try residentBytes() - before
        guard completed.count == (50 + batches) * Work.batch else {
          throw Unmeasurable(what: "not all jobs have completed")
        }
        return Double(max(0, growth)) / Double(batches * Work.batch)
      }
    }

    /// VmRSS of proc(5).
    private func residentBytes() throws -> Int {
      let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
      let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
      guard let field = line?.split(separator: " ").dropLast().last, let kilobytes = Int(field)
      else {
        throw Unmeasurable(what: "/proc/self/status has no VmRSS")
      }
      return kilobytes << 10
    }

    /// Runs a worker, and ends it when `body` has ended.
    private func run<Value>(_ body: () async throws -> Value) async throws -> Value {
      let lifecycle = WorkerLifecycle()
      let consumer = QueueConsumer(
        .compute, LaneState.Settings(capacity: Work.batch), deadlines: deadlines,
        lifecycle: lifecycle, subscribe: { [tickets] _ in tickets.subscribe() },
        others: { _, _ in })
      let claimer = try claimer(lifecycle)
      let value = try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await consumer.run(claim: claimer.claim) }
        defer { lifecycle.advance(to: .leaving) }
        await tickets.subscribed.wait()
        return try await body()
      }
      guard deadlines.count == 0, attempts.running.isEmpty else {
        throw Unmeasurable(what: "the worker keeps deadlines or attempts of jobs that have ended")
      }
      return value
    }

    private func claimer(
      _ lifecycle: WorkerLifecycle
    ) throws -> JobClaimer<BatchingAuthority<Grants>> {
      let type = try JobType(
        group: JobGroup("files", queue: .compute), name: "compress", params: Work.Input(),
        timeout: .seconds(60)
      ) { input, _ in Work.Output(bytes: input.level) }
      var registry = JobRegistry()
      try registry.register(RegisteredJobType(type))
      var logger = Logger(label: "cost")
      logger.logLevel = .critical
      let authority = BatchingAuthority(Grants(type: try Work.type(), completed: completed))
      return JobClaimer(
        worker: Work.worker, registry: registry, registration: Registration(), attempts: attempts,
        authority: authority,
        executor: Executor(
          authority: authority, worker: Work.worker, settings: ExecutionSettings(),
          sender: ReportSender(
            authority: authority, keep: { attempts.keep($0) }, lifecycle: lifecycle,
            logger: logger),
          deadlines: deadlines, condition: WorkerCondition(), onTrouble: { _, _ in },
          logger: logger),
        lifecycle: lifecycle, announce: {}, logger: logger)
    }
  }

  /// How many jobs were reported as completed.
  private final class Completions: Sendable {
    private let state = Mutex(0)
    var count: Int { state.withLock(\.self) }

    func note(_ reports: [JobReport]) {
      let more = reports.count { if case .ended(.completed) = $0.content { true } else { false } }
      state.withLock { $0 += more }
    }
  }

  /// Has a job for each ticket, and is content with each report.
  private struct Grants: JobAuthority {
    let type: JobTypeID
    let completed: Completions

    func claim(_ requests: [ClaimRequest]) async throws(AuthorityError) -> [ClaimAnswer] {
      requests.map { request in
        ClaimAnswer(
          jobs: (0..<request.count).map { _ in
            JobAssignment(
              job: JobID(), type: type, attempt: 1, params: Work.payload, timeout: .seconds(60))
          }, rest: .void)
      }
    }

    func report(_ reports: [JobReport]) async throws(AuthorityError) { completed.note(reports) }
    func lock(_ requests: [LockRequest]) async throws(AuthorityError) -> [LockAnswer] { [] }
  }

  /// A work queue that is filled when it is empty.
  private final class Tickets: Sendable {
    private struct State {
      var unacknowledged = 0
      var isEmpty = Signal()
    }

    let subscribed = Signal()
    private let state = Mutex(State())
    private let stream: AsyncStream<[Delivery]>
    private let continuation: AsyncStream<[Delivery]>.Continuation

    init() {
      (stream, continuation) = AsyncStream.makeStream()
    }

    func subscribe() -> TicketConsumer {
      subscribed.fire()
      return TicketConsumer(tickets: self, stream: stream)
    }

    /// Returns when all are acknowledged.
    func deliver(_ count: Int) async throws {
      let isEmpty = state.withLock { state in
        state.unacknowledged = count
        state.isEmpty = Signal()
        return state.isEmpty
      }
      continuation.yield(
        (0..<count).map { number in
          Delivery(
            message: WireCoding.ticket(), exchange: "", routingKey: "", redelivered: false,
            tag: DeliveryTag(generation: 1, value: UInt64(number)))
        })
      guard await isEmpty.wait(for: .seconds(60)) else {
        throw Unmeasurable(what: "the worker does not acknowledge its tickets")
      }
    }

    func acknowledge(_ count: Int) {
      let isEmpty = state.withLock { state in
        state.unacknowledged -= count
        return state.unacknowledged <= 0 ? state.isEmpty : nil
      }
      isEmpty?.fire()
    }
  }

  private struct TicketConsumer: MessageConsumer {
    typealias Element = [Delivery]
    typealias Failure = AMQPError

    struct AsyncIterator: AsyncIteratorProtocol {
      var base: AsyncStream<[Delivery]>.AsyncIterator

      mutating func next(
        isolation actor: isolated (any Actor)? = #isolation
      ) async throws(AMQPError) -> [Delivery]? {
        await base.next(isolation: actor)
      }
    }

    let tickets: Tickets
    let stream: AsyncStream<[Delivery]>

    func makeAsyncIterator() -> AsyncIterator {
      AsyncIterator(base: stream.makeAsyncIterator())
    }

    func ack(_ tags: [DeliveryTag]) async { tickets.acknowledge(tags.count) }
    // They would be missing in what is waited for.
    func nack(_ tags: [DeliveryTag], requeue: Bool) async {}
    func cancel() async {}
  }
#endif
