import CRabbitMQ
import Glibc
import Synchronization

#if !os(Linux)
  #error("AMQP is for Linux: it rests on eventfd and Glibc")
#endif

/// A serial executor on a thread of its own that, when idle, sleeps in `poll` on a socket and a
/// wake-up descriptor.
///
/// So the connection's work never waits for Swift's cooperative pool, nor holds it up; work that
/// arrives interrupts the sleep; and nothing is polled in the sense of asking again and again. The
/// thread exists while there is something to wait for; it ends when its owner is idle, and is started
/// again by the next job. If it cannot be started, jobs run on the cooperative pool, which is enough
/// to fail them: ``startFailure`` says why.
final class EventLoop: SerialExecutor {
  private struct State {
    var jobs: [UnownedJob] = []
    var calls: [@Sendable () -> Void] = []
    var hasThread = false
    /// The thread sleeps, or is about to: it must be woken for new jobs. Cleared by whoever wakes
    /// it, so one write does.
    var sleeps = false
    /// It sleeps for a moment only.
    var naps = false
    /// Why there is no thread.
    var failure: String?
    weak var owner: (any EventLoopOwner)?
  }

  private let state = Mutex(State())
  /// The `pthread_t` that runs jobs; 0 is none.
  private let thread = Atomic<UInt>(0)
  /// An eventfd, by which any thread ends the poll; -1 before the first thread.
  private let wakeUp = Atomic<Int32>(-1)
  private let name: String
  private let startThread: @Sendable (EventLoop) -> Int32

  /// A loop without a thread, until there is something to do. `name` is the thread's; the kernel
  /// shows 15 bytes of it. `startThread` starts it, and returns 0 or an `errno`.
  init(
    name: String, startThread: @escaping @Sendable (EventLoop) -> Int32 = { $0.startOwnThread() }
  ) {
    self.name = name
    self.startThread = startThread
  }

  deinit {
    let descriptor = wakeUp.load(ordering: .relaxed)
    if descriptor >= 0 { close(descriptor) }
  }

  /// Sets whose turns the loop makes. The loop does not keep it alive.
  func setOwner(_ owner: any EventLoopOwner) {
    state.withLock { $0.owner = owner }
  }

  /// Why jobs do not run on a thread of their own, if they do not.
  var startFailure: String? { state.withLock { $0.failure } }

  /// The descriptor that ends the poll; -1 if there is none yet.
  var wakeUpDescriptor: Int32 { wakeUp.load(ordering: .relaxed) }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    add { $0.jobs.append(job) }
  }

  /// Runs `call` on the loop's thread, isolated to its owner, before any job that is enqueued later.
  /// For where no task can be awaited (`onCancel`, `deinit`), and for what nobody waits for. What is
  /// not urgent may take a millisecond longer, if it need not wake the thread for that.
  func perform(isUrgent: Bool = true, _ call: @escaping @Sendable () -> Void) {
    add(isUrgent: isUrgent) { $0.calls.append(call) }
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

  private func add(isUrgent: Bool = true, _ change: (inout State) -> Void) {
    let step = state.withLock { state -> Step in
      change(&state)
      if !state.hasThread {
        state.hasThread = true
        return .start
      }
      guard state.sleeps, isUrgent || !state.naps else { return .nothing }
      state.sleeps = false
      return .wake
    }
    switch step {
    case .nothing: break
    case .wake: signal()
    case .start: start()
    }
  }

  private func signal() {
    var one: UInt64 = 1
    // It fails only when the counter is full, and then the descriptor is readable already.
    _ = write(wakeUp.load(ordering: .relaxed), &one, 8)
  }

  private func start() {
    let status = startThread(self)
    let failure = status == 0 ? nil : String(cString: strerror(status))
    state.withLock { $0.failure = failure }
    if failure != nil { Task.detached { self.runWithoutThread() } }
  }

  private func startOwnThread() -> Int32 {
    if wakeUp.load(ordering: .relaxed) < 0 {
      let descriptor = rmq_eventfd()
      guard descriptor >= 0 else { return rmq_errno() }
      wakeUp.store(descriptor, ordering: .relaxed)
    }
    return OSThread.start { self.run() }
  }

  private func takeWork() -> (
    jobs: [UnownedJob], calls: [@Sendable () -> Void], owner: (any EventLoopOwner)?
  ) {
    state.withLock { state in
      defer {
        state.jobs = []
        state.calls = []
      }
      return (state.jobs, state.calls, state.owner)
    }
  }

  private func work(_ readiness: Readiness) -> PollPlan {
    let (jobs, calls, owner) = takeWork()
    // A task that makes a call does not wait for it, so it may have enqueued a job behind it; before
    // it, it cannot have.
    for call in calls { call() }
    for job in jobs { job.runSynchronously(on: asUnownedSerialExecutor()) }
    return owner?.turn(readiness) ?? PollPlan()
  }

  private func run() {
    thread.store(UInt(pthread_self()), ordering: .relaxed)
    rmq_name_thread(name)
    // The wake-up descriptor and the socket; used by this thread alone, while it is in here.
    let descriptors = UnsafeMutablePointer<pollfd>.allocate(capacity: 2)
    defer { descriptors.deallocate() }
    var readiness = Readiness()
    while true {
      let plan = work(readiness)
      guard let next = sleep(plan, descriptors) else { return }
      readiness = next
    }
  }

  /// Does what can be done without a thread: nothing is connected then, but what waits must end.
  private func runWithoutThread() {
    thread.store(UInt(pthread_self()), ordering: .relaxed)
    while true {
      let plan = work(Readiness())
      let isDone = state.withLock { state in
        guard state.jobs.isEmpty, state.calls.isEmpty else { return false }
        state.hasThread = false
        thread.store(0, ordering: .relaxed)
        return true
      }
      guard isDone else { continue }
      guard let deadline = plan.deadline else { return }
      Task.detached {
        // Nobody cancels it.
        try? await Task.sleep(until: deadline, clock: .continuous)
        self.add { _ in }
      }
      return
    }
  }

  /// Sleeps as planned. `nil` if the thread is to end.
  private func sleep(
    _ plan: PollPlan, _ descriptors: UnsafeMutablePointer<pollfd>
  ) -> Readiness? {
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
      state.naps = plan.isGathering
      return .poll(immediately: false)
    }
    switch decision {
    case .end:
      return nil
    case .poll(let immediately):
      guard !immediately || plan.descriptor != nil else { return Readiness(token: plan.token) }
      let readiness = poll(plan, descriptors, immediately: immediately)
      if !immediately { state.withLock { $0.sleeps = false } }
      return readiness
    }
  }

  private func poll(
    _ plan: PollPlan, _ descriptors: UnsafeMutablePointer<pollfd>, immediately: Bool
  ) -> Readiness {
    var timeout: Int32 = -1
    if immediately {
      timeout = 0
    } else if let deadline = plan.deadline {
      timeout = Self.milliseconds(until: deadline)
    }
    descriptors[0] = pollfd(
      fd: wakeUp.load(ordering: .relaxed), events: Int16(POLLIN), revents: 0)
    descriptors[1] = pollfd(
      fd: plan.descriptor ?? -1,
      events: (plan.wantsInput ? Int16(POLLIN) : 0) | (plan.wantsOutput ? Int16(POLLOUT) : 0),
      revents: 0)
    // An interrupted or failed poll finds nothing: the next turn looks again.
    guard Glibc.poll(descriptors, 2, timeout) > 0 else { return Readiness(token: plan.token) }
    if descriptors[0].revents != 0 {
      var count: UInt64 = 0
      _ = read(descriptors[0].fd, &count, 8)
    }
    let events = descriptors[1].revents
    let failed = events & Int16(POLLERR | POLLHUP | POLLNVAL) != 0
    return Readiness(
      token: plan.token, readable: failed || events & Int16(POLLIN) != 0,
      writable: failed || events & Int16(POLLOUT) != 0, failed: failed)
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

/// Threads of the operating system.
enum OSThread {
  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Runs `body` on a new thread. Returns 0, or an `errno` if there can be none.
  static func start(_ body: @escaping @Sendable () -> Void) -> Int32 {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    var thread = pthread_t()
    // The thread takes the reference over in its first line.
    let reference = Unmanaged.passRetained(Body(body))
    let status = pthread_create(
      &thread, &attributes,
      { argument in
        guard let argument else { return nil }
        Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, reference.toOpaque())
    if status != 0 { reference.release() }
    return status
  }
}
