import Foundation
import Jobs

/// Appends lines to a file that several processes write to.
struct Trace: Sendable {
  let file: String

  func note(_ line: String) throws {
    let descriptor = open(file, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    guard descriptor >= 0 else { throw CocoaError(.fileWriteUnknown) }
    defer { close(descriptor) }
    // One write(2) with O_APPEND is never mixed with another's.
    let bytes = Array("\(line)\n".utf8)
    guard write(descriptor, bytes, bytes.count) == bytes.count else {
      throw CocoaError(.fileWriteOutOfSpace)
    }
  }

  /// A state-update callback that writes down what it is told.
  func states<Params>() -> @Sendable (Params, JobState) async -> Void {
    { _, state in
      // A test that misses a line says so.
      try? note("state \(state.job) \(state.status.rawValue) \(Int(state.progress))")
    }
  }
}
