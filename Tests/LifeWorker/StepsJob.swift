import Foundation
import Jobs

/// Goes step by step, keeps where it is, and has every callback.
enum StepsJob {
  struct Params: Codable, Sendable {
    var steps = 10
    var milliseconds = 20
    /// The callback that is to throw.
    var refuse = ""
    /// How long a callback takes, in milliseconds.
    var pause = 0
  }

  struct Snapshot: Codable {
    var done: Int
  }

  static func type(_ group: JobGroup, _ trace: Trace) throws -> JobType<Params, Int> {
    @Sendable func callback(_ name: String) -> JobType<Params, Int>.Intervene {
      { params, context in
        try trace.note("\(name) \(context.jobID)")
        if params.pause > 0 { try await Task.sleep(for: .milliseconds(params.pause)) }
        if params.refuse == name { throw PermanentFailure("\(name) does not like it") }
      }
    }
    return try JobType(
      group: group, name: "steps", params: Params(), suspendable: true,
      initialize: callback("init"), stateUpdate: trace.states(), suspend: callback("suspend"),
      resume: callback("resume"), execute: steps(trace))
  }

  private static func steps(_ trace: Trace) -> JobType<Params, Int>.Execute {
    { params, context in
      let start = try context.loadSnapshot(as: Snapshot.self)?.done ?? 0
      try trace.note("run \(context.jobID) from \(start)")
      for step in start..<params.steps {
        try await Task.sleep(for: .milliseconds(params.milliseconds))
        try trace.note("step \(context.jobID) \(step)")
        try await context.saveSnapshot(Snapshot(done: step + 1))
        context.progress(Double(step + 1) / Double(params.steps) * 100)
      }
      return params.steps
    }
  }
}
