import Foundation
import JobWorker
import Jobs
import Logging

/// A worker with callbacks of every kind, for the system's tests. It writes down what it does, a line each, in the file
/// `trace` of the folder that FOLDER names.
@main
struct LifeWorker {
  static func main() async throws {
    let environment = ProcessInfo.processInfo.environment
    guard let broker = environment["WARREN_BROKER"], let prefix = environment["WARREN_PREFIX"],
      let folder = environment["FOLDER"]
    else { throw PermanentFailure("WARREN_BROKER, WARREN_PREFIX and FOLDER are needed") }
    let trace = Trace(file: "\(folder)/trace")
    let group = try JobGroup("life", queue: .download)
    // A variable, captured below: what a consumer service's `main()` does that reads its own settings.
    var settings = (drain: Duration.seconds(30), isRead: false)
    if let text = environment["DRAIN_SECONDS"], let seconds = Int(text) {
      settings.drain = .seconds(seconds)
    }
    try await JobWorker.run(
      broker: broker, prefix: prefix,
      types: [
        RegisteredJobType(try StepsJob.type(group, trace)),
        RegisteredJobType(try LockJob.type(group, trace)),
        RegisteredJobType(try LockJob.lateType(group, folder: folder)),
        RegisteredJobType(
          try JobType(group: group, name: "stamp", params: NoParams()) { _, context in
            try trace.note("\(context.jobID) \(Timestamp.now.milliseconds)")
          }),
        RegisteredJobType(try RetryJob.type(group, trace)),
      ]
    ) { configuration in
      configuration.drainLimit = settings.drain
      settings.isRead = true
    }
    guard settings.isRead else { throw PermanentFailure("the worker was not configured") }
  }
}
