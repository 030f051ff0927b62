import Foundation
import Logging
import Warren

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
    let jobs = try JobService(
      broker: broker, prefix: prefix, logger: Logger(label: "warren.worker")
    ) { configuration in
      configuration.drainLimit = settings.drain
      settings.isRead = true
    }
    guard settings.isRead else { throw PermanentFailure("the service was not configured") }
    jobs.on(try StepsJob.type(group, trace))
    jobs.on(try LockJob.type(group, trace))
    jobs.on(try LockJob.lateType(group, folder: folder))
    jobs.on(
      try JobType(group: group, name: "stamp", params: NoParams()) { _, context in
        try trace.note("\(context.jobID) \(Timestamp.now.milliseconds)")
      })
    jobs.on(try RetryJob.type(group, trace))
    try await jobs.runUntilSignal()
  }
}
