import Foundation
import Jobs

/// Is locked by another job until that one ends, or until it unlocks itself.
enum LockJob {
  struct Params: Codable, Sendable {
    /// The job to be locked by; its own id for "self", none for "".
    var by = ""
    var unlocks = false
    var milliseconds = 60_000
  }

  /// Is locked by the job whose id comes to stand in the file `lock-<its own id>`.
  static func lateType(
    _ group: JobGroup, folder: String
  ) throws -> JobType<NoParams, NoResult> {
    try JobType(group: group, name: "late", params: NoParams()) { _, context in
      let file = "\(folder)/lock-\(context.jobID)"
      while !FileManager.default.fileExists(atPath: file) {
        try await Task.sleep(for: .milliseconds(20))
      }
      guard let other = JobID(try String(contentsOfFile: file, encoding: .utf8)) else {
        throw PermanentFailure("\(file) holds no job id")
      }
      try await context.setLocked(by: other)
      return NoResult()
    }
  }

  static func type(_ group: JobGroup, _ trace: Trace) throws -> JobType<Params, NoResult> {
    try JobType(
      group: group, name: "lock", params: Params(), stateUpdate: trace.states()
    ) { params, context in
      if !params.by.isEmpty {
        let other = params.by == "self" ? context.jobID : JobID(params.by)
        guard let other else { throw PermanentFailure("\(params.by) is no job id") }
        try await context.setLocked(by: other)
        try trace.note("locked \(context.jobID)")
        if params.unlocks { try await context.setUnlocked() }
      }
      try await Task.sleep(for: .milliseconds(params.milliseconds))
      return NoResult()
    }
  }
}
