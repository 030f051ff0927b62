import Jobs
import Logging
import Synchronization

/// Lines that are to be passed on: the newest, as many as are kept of a job.
struct LogBuffer: Sendable {
  private var lines: [JobLogSet.Line] = []
  /// The first of `lines` that is still there.
  private var start = 0
  private var bytes = 0
  /// Which line of its attempt the next one is, from 1.
  private var next: Int64 = 1

  var count: Int { lines.count - start }
  var isEmpty: Bool { count == 0 }
  /// Whether it has as much as goes into one report.
  var isFull: Bool { count >= JobLogSet.mostLines || bytes >= JobLogSet.mostBytes }

  mutating func put(_ line: JobLogSet.Line) {
    lines.append(line)
    bytes += line.text.utf8.count
    next += 1
    bound()
  }

  /// The first lines, as many as go into one report; `nil` when there are none.
  mutating func take() -> JobLogSet? {
    guard !isEmpty else { return nil }
    let first = next - Int64(count)
    var size = 0
    var taken = lines[start...].prefix(JobLogSet.mostLines).prefix { line in
      size += line.text.utf8.count
      return size <= JobLogSet.mostBytes
    }
    if taken.isEmpty { taken = lines[start...].prefix(1) }
    let set = JobLogSet(first: first, lines: Array(taken))
    drop(set.lines.count)
    return set
  }

  /// Puts back what could not be passed on, unless what followed it is gone already.
  mutating func putBack(_ set: JobLogSet) {
    guard set.first + Int64(set.lines.count) == next - Int64(count) else { return }
    lines.replaceSubrange(..<start, with: set.lines)
    start = 0
    bytes += set.bytes
    bound()
  }

  private mutating func bound() {
    while count > JobLog.mostLines || bytes > JobLog.mostBytes { drop(1) }
  }

  private mutating func drop(_ number: Int) {
    for line in lines[start..<start + number] { bytes -= line.text.utf8.count }
    start += number
    // Not for each one, so that a line is not moved for each one that comes.
    guard start == lines.count || start >= JobLog.mostLines else { return }
    lines.removeFirst(start)
    start = 0
  }
}

/// Passes on what an attempt logs, gathered for a second, or until it makes a report of its own. Made with the first line.
///
/// Lines that come faster than they can be passed on push older ones out, and those are not kept. What is not passed on does
/// not trouble the job.
final class AttemptLog: Sendable {
  private enum Stage {
    case idle
    /// Lines are gathered.
    case gathering(DeadlineQueue.ID)
    case reporting(Task<Void, Never>)
    /// After a report, however many lines there are.
    case pausing(DeadlineQueue.ID)
    case ended
  }

  private struct State {
    var buffer = LogBuffer()
    var stage = Stage.idle
  }

  private let state = Mutex(State())
  private let gathering: Duration
  private let pause: Duration
  private let deadlines: DeadlineQueue
  private let report: @Sendable (JobLogSet) async throws -> Void
  private let logger: Logger

  /// - Parameters:
  ///   - gathering: how long lines are gathered.
  ///   - pause: the shortest time between two reports.
  init(
    gathering: Duration, pause: Duration, deadlines: DeadlineQueue, logger: Logger,
    report: @escaping @Sendable (JobLogSet) async throws -> Void
  ) {
    self.gathering = gathering
    self.pause = pause
    self.deadlines = deadlines
    self.logger = logger
    self.report = report
  }

  func put(_ line: JobLogSet.Line) {
    state.withLock { state in
      if case .ended = state.stage { return }
      state.buffer.put(line)
      switch state.stage {
      case .idle: gather(&state)
      case .gathering(let deadline) where state.buffer.isFull:
        deadlines.cancel(deadline)
        state.stage = .reporting(Task { await passOn() })
      case .gathering, .reporting, .pausing, .ended: break
      }
    }
  }

  private func gather(_ state: inout State) {
    state.stage = .gathering(deadlines.after(gathering) { [weak self] in self?.goOn() })
  }

  private func passOn() async {
    guard let set = state.withLock({ $0.buffer.take() }) else { return }
    var isReported = true
    do {
      try await report(set)
    } catch {
      logger.debug("lines of the log were not reported", metadata: ["error": "\(error)"])
      isReported = false
    }
    state.withLock { state in
      if !isReported { state.buffer.putBack(set) }
      guard case .reporting = state.stage else { return }
      state.stage = .pausing(
        deadlines.after(isReported ? pause : gathering) { [weak self] in self?.goOn() })
    }
  }

  private func goOn() {
    state.withLock { state in
      switch state.stage {
      case .gathering: state.stage = .reporting(Task { await passOn() })
      case .pausing where state.buffer.isFull:
        state.stage = .reporting(Task { await passOn() })
      case .pausing where state.buffer.isEmpty: state.stage = .idle
      case .pausing: gather(&state)
      case .idle, .reporting, .ended: break
      }
    }
  }

  /// Passes nothing more on. A report that is under way comes before the outcome.
  ///
  /// - Returns: what is left, for the outcome's report to take along.
  func end() async -> [JobLogSet] {
    let last = state.withLock { state in
      defer { state.stage = .ended }
      return state.stage
    }
    switch last {
    case .reporting(let task): await task.value
    case .gathering(let deadline), .pausing(let deadline): deadlines.cancel(deadline)
    case .idle, .ended: break
    }
    return state.withLock { state in
      var rest: [JobLogSet] = []
      while let set = state.buffer.take() { rest.append(set) }
      return rest
    }
  }
}
