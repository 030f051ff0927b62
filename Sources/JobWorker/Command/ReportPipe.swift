import Dispatch
import Foundation
import Synchronization
import SystemPackage

/// The FIFO through which one program reports, as bytes. One task reads it.
final class ReportPipe: Sendable {
  let path: FilePath
  private let descriptor: FileDescriptor
  private let state: Mutex<State>

  private struct State {
    /// Told that there is something to read. Suspended unless `isArmed`, so that it fires once for
    /// each wait.
    let source: any DispatchSourceRead
    var isArmed = false
    var waiter: CheckedContinuation<Void, Never>?
    var isFinished = false
    var isClosed = false
    private var drained = 0

    init(source: any DispatchSourceRead) {
      self.source = source
    }

    /// Whether that much may still be read after the end: a process that got away from its shepherd
    /// could write for ever.
    mutating func mayDrain(_ count: Int) -> Bool {
      drained += count
      return drained <= ReportPipe.largestPipe
    }
  }

  /// The most that is taken at once; also the size of a pipe, unless its writer changes it.
  private static let chunk = 64 << 10
  /// The most that a writer can have left in a pipe (pipe-max-size, proc(5), unless root raised
  /// it).
  private static let largestPipe = 1 << 20

  init(path: FilePath) throws(CommandError) {
    self.path = path
    do {
      guard mkfifo(path.string, 0o600) == 0 else { throw Errno(rawValue: errno) }
      // For writing too: else each writer that closes would be the end of the file.
      descriptor = try .open(path, .readWrite, options: [.nonBlocking, .closeOnExec])
    } catch {
      throw .runtimeDirectory(path: path.string, reason: error.reason)
    }
    let descriptor = descriptor
    let source = DispatchSource.makeReadSource(fileDescriptor: descriptor.rawValue)
    source.setCancelHandler { try? descriptor.close() }
    state = Mutex(State(source: source))
    state.withLock { $0.source.setEventHandler { [weak self] in self?.readable() } }
  }

  deinit { close() }

  /// The next bytes, as soon as there are some; nil when the pipe is finished and empty.
  ///
  /// Not ended by cancellation: a program that is being stopped may have something to say.
  func next() async -> [UInt8]? {
    while true {
      // Asked before reading, so that nothing written before the end is missed.
      let isFinished = state.withLock { $0.isFinished }
      if let bytes = take() {
        return isFinished && !state.withLock({ $0.mayDrain(bytes.count) }) ? nil : bytes
      }
      if isFinished { return nil }
      await untilReadable()
    }
  }

  /// Says that the program is gone: what it has written is still read, but nothing is waited for.
  func finish() {
    let waiter = state.withLock { state in
      state.isFinished = true
      return state.waiter.take()
    }
    waiter?.resume()
  }

  /// Removes the FIFO.
  func close() {
    let wasOpen = state.withLock { state in
      guard !state.isClosed else { return false }
      state.isClosed = true
      // A suspended source must be neither released nor would it ever run its cancel handler.
      if !state.isArmed { state.source.resume() }
      state.isArmed = true
      state.source.cancel()
      return true
    }
    // It goes with its directory at the latest.
    if wasOpen { _ = unlink(path.string) }
  }

  /// What is in the pipe now, without waiting.
  private func take() -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: Self.chunk)
    var count = -1
    repeat {
      count = read(descriptor.rawValue, &bytes, bytes.count)
    } while count < 0 && errno == EINTR
    guard count > 0 else { return nil }
    bytes.removeLast(bytes.count - count)
    return bytes
  }

  private func untilReadable() async {
    await withCheckedContinuation { continuation in
      let goOn = state.withLock { state in
        if state.isFinished { return true }
        state.waiter = continuation
        if !state.isArmed { state.source.resume() }
        state.isArmed = true
        return false
      }
      if goOn { continuation.resume() }
    }
  }

  /// The source's handler.
  private func readable() {
    let waiter = state.withLock { state in
      if state.isArmed, !state.isClosed {
        state.source.suspend()
        state.isArmed = false
      }
      return state.waiter.take()
    }
    waiter?.resume()
  }
}
