import Jobs

@testable import JobServer

/// A clock that stands still until the test moves it.
final class ManualClock: ServerClock {
  struct State: Sendable, CustomStringConvertible {
    fileprivate struct Sleeper {
      let until: Duration
      let continuation: CheckedContinuation<Bool, Never>
    }

    fileprivate(set) var uptime: Duration = .zero
    fileprivate var sleepers: [Int: Sleeper] = [:]
    fileprivate var nextSleeper = 0

    /// How many tasks sleep.
    var sleeping: Int { sleepers.count }
    var description: String { "\(uptime), \(sleeping) asleep" }
  }

  static let start = Timestamp(milliseconds: 1_700_000_000_000)
  let state = Watched(State())

  var uptime: Duration { state.value.uptime }
  var now: Timestamp { Self.start + uptime }

  func advance(by duration: Duration) {
    let due = state.update { state in
      state.uptime += duration
      let due = state.sleepers.filter { $0.value.until <= state.uptime }
      for key in due.keys { state.sleepers[key] = nil }
      return due.values
    }
    for sleeper in due { sleeper.continuation.resume(returning: true) }
  }

  /// Waits until somebody sleeps, then lets the time pass.
  func advance(by duration: Duration, whenSleeping count: Int) async throws {
    try await state.until("\(count) asleep") { $0.sleeping >= count }
    advance(by: duration)
  }

  /// Lets the time pass, whenever somebody sleeps, until the body has returned.
  func passing(
    by step: Duration, while body: @escaping @Sendable () async throws -> Void
  ) async throws {
    try await withThrowingTaskGroup { group in
      group.addTask {
        while !Task.isCancelled { try? await self.advance(by: step, whenSleeping: 1) }
      }
      group.addTask(operation: body)
      // The first ends only with the group.
      try await group.next()
      group.cancelAll()
    }
  }

  func sleep(for duration: Duration) async throws(CancellationError) {
    let number = state.update { state in
      state.nextSleeper += 1
      return state.nextSleeper
    }
    let isOver = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isCancelled = state.update { state in
          guard !Task.isCancelled else { return true }
          state.sleepers[number] = State.Sleeper(
            until: state.uptime + duration, continuation: continuation)
          return false
        }
        if isCancelled { continuation.resume(returning: false) }
      }
    } onCancel: {
      state.update { $0.sleepers.removeValue(forKey: number) }?.continuation
        .resume(returning: false)
    }
    guard isOver else { throw CancellationError() }
  }
}
