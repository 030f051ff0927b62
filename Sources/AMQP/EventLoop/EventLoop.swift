import CRabbitMQ
import Glibc
import Synchronization

/// A serial executor on a thread of its own that, when idle, sleeps in `poll` on a socket and a
/// wake-up descriptor.
///
/// So blocking calls of the C library never hold up Swift's cooperative pool, work that arrives
/// interrupts the sleep, and nothing is polled in the sense of asking again and again. The thread
/// exists while there is something to wait for; it ends when its owner is idle, and is started
/// again by the next job.
final class EventLoop: SerialExecutor {
  private struct State {
    var jobs: [UnownedJob] = []
    var calls: [@Sendable () -> Void] = []
    var hasThread = false
    /// The thread sleeps, or is about to: it must be woken for new jobs. Cleared by whoever wakes
    /// it, so one write does.
    var sleeps = false
    weak var owner: (any EventLoopOwner)?
  }

  private let state = Mutex(State())
  /// The `pthread_t` that runs jobs; 0 is none.
  private let thread = Atomic<UInt>(0)
  let wakeUp: WakeUp
  private let name: String

  /// A loop without a thread, until there is something to do. `name` is the thread's; the kernel
  /// shows 15 bytes of it.
  init(name: String) {
    self.name = name
    wakeUp = WakeUp()
  }

  /// Sets whose turns the loop makes. The loop does not keep it alive.
  func setOwner(_ owner: any EventLoopOwner) {
    state.withLock { $0.owner = owner }
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    add { $0.jobs.append(job) }
  }

  /// Runs `call` on the loop's thread, isolated to its owner. For where no task can be awaited:
  /// `onCancel`, `deinit`.
  func perform(_ call: @escaping @Sendable () -> Void) {
    add { $0.calls.append(call) }
  }

  func asUnownedSerialExecutor() -> UnownedSerialExecutor {
    UnownedSerialExecutor(ordinary: self)
  }

  /// Whether the caller runs on the loop's thread. It makes `assumeIsolated` work between jobs.
  private var isCurrent: Bool {
    thread.load(ordering: .relaxed) == UInt(pthread_self())
  }

  func checkIsolated() {
    precondition(isCurrent, "not on the connection's thread")
  }

  func isIsolatingCurrentContext() -> Bool? {
    isCurrent
  }

  private enum Step {
    case nothing, wake, start
  }

  private func add(_ change: (inout State) -> Void) {
    let step = state.withLock { state -> Step in
      change(&state)
      if !state.hasThread {
        state.hasThread = true
        return .start
      }
      guard state.sleeps else { return .nothing }
      state.sleeps = false
      return .wake
    }
    switch step {
    case .nothing: break
    case .wake: wakeUp.signal()
    case .start: start()
    }
  }

  private func start() {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    var thread = pthread_t()
    // The thread holds the loop until it ends; it takes the reference over in its first line.
    let reference = Unmanaged.passRetained(self).toOpaque()
    let status = pthread_create(
      &thread, &attributes,
      { argument in
        guard let argument else { return nil }
        Unmanaged<EventLoop>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, reference)
    // Without its thread the connection cannot do anything, not even say so.
    precondition(status == 0, "pthread_create: error \(status)")
  }

  private func run() {
    thread.store(UInt(pthread_self()), ordering: .relaxed)
    rmq_name_thread(name)
    var readiness = Readiness()
    while true {
      let (jobs, calls, owner) = state.withLock { state in
        defer {
          state.jobs = []
          state.calls = []
        }
        return (state.jobs, state.calls, state.owner)
      }
      for job in jobs { job.runSynchronously(on: asUnownedSerialExecutor()) }
      for call in calls { call() }
      let plan = owner?.turn(readiness) ?? PollPlan()
      guard let next = sleep(plan) else { return }
      readiness = next
    }
  }

  /// Sleeps as planned. `nil` if the thread is to end.
  private func sleep(_ plan: PollPlan) -> Readiness? {
    enum Decision {
      case end
      case poll(immediately: Bool)
    }
    let decision = state.withLock { state -> Decision in
      guard state.jobs.isEmpty, state.calls.isEmpty, !plan.immediately else {
        return .poll(immediately: true)
      }
      if plan.idle {
        // Under the lock, so that a job that comes now starts a new thread.
        state.hasThread = false
        thread.store(0, ordering: .relaxed)
        return .end
      }
      state.sleeps = true
      return .poll(immediately: false)
    }
    switch decision {
    case .end:
      return nil
    case .poll(let immediately):
      guard !immediately || plan.descriptor != nil else { return Readiness() }
      let readiness = poll(plan, immediately: immediately)
      if !immediately { state.withLock { $0.sleeps = false } }
      return readiness
    }
  }

  private func poll(_ plan: PollPlan, immediately: Bool) -> Readiness {
    var timeout: Int32 = -1
    if immediately {
      timeout = 0
    } else if let deadline = plan.deadline {
      timeout = Self.milliseconds(until: deadline)
    }
    var descriptors = [
      pollfd(fd: wakeUp.descriptor, events: Int16(POLLIN), revents: 0),
      pollfd(
        fd: plan.descriptor ?? -1,
        events: Int16(POLLIN) | (plan.wantsWrite ? Int16(POLLOUT) : 0), revents: 0),
    ]
    // An interrupted or failed poll finds nothing: the next turn looks again.
    guard Glibc.poll(&descriptors, 2, timeout) > 0 else {
      return Readiness(descriptor: plan.descriptor)
    }
    if descriptors[0].revents != 0 { wakeUp.clear() }
    let events = descriptors[1].revents
    let failed = events & Int16(POLLERR | POLLHUP | POLLNVAL) != 0
    return Readiness(
      descriptor: plan.descriptor, readable: failed || events & Int16(POLLIN) != 0,
      writable: failed || events & Int16(POLLOUT) != 0)
  }

  /// Rounded up, so that the deadline has passed on waking; at most a minute, which is soon enough
  /// to look again.
  private static func milliseconds(until deadline: ContinuousClock.Instant) -> Int32 {
    let left = min(max(deadline - .now, .zero), .seconds(60))
    let (seconds, attoseconds) = left.components
    return Int32(seconds) * 1_000
      + Int32((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
  }
}
