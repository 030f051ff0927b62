import Jobs
import Logging

/// Keeps what callbacks log with their job. What the worker logs of it is another matter.
struct RecordingLogHandler: LogHandler {
  let state: SharedState
  /// Where lines go besides; `nil` for nowhere.
  var next: Logger?
  var logLevel = Logger.Level.trace
  var metadata = Logger.Metadata()

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let all = metadata.merging(event.metadata ?? [:]) { $1 }
    if let job = TesterCore.running?.job, all["job"] == "\(job)" {
      let line = RecordedLine(level: event.level, message: "\(event.message)", metadata: all)
      state.change { $0.histories[job, default: .init()].log.append(line) }
    }
    next?.log(
      level: event.level, event.message, metadata: all, source: event.source, file: event.file,
      function: event.function, line: event.line)
  }
}
