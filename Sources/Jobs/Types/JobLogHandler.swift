import Logging

/// The handler of a job's logger: everything goes on to the process's handler, and what matters is kept with the job.
struct JobLogHandler: LogHandler {
  private var base: any LogHandler
  private let keep: @Sendable (JobLogSet.Line) -> Void
  /// What the callback has added itself.
  private var own: Logger.Metadata = [:]
  /// What the callback has set; otherwise the process's level is for the process's log alone.
  private var level: Logger.Level?

  init(_ base: any LogHandler, keep: @escaping @Sendable (JobLogSet.Line) -> Void) {
    self.base = base
    self.keep = keep
  }

  func log(event: LogEvent) {
    if event.level >= base.logLevel { base.log(event: event) }
    guard event.level >= JobLog.level else { return }
    keep(JobLogSet.Line(time: .now, level: event.level, text: text(event)))
  }

  private func text(_ event: LogEvent) -> String {
    var metadata = own
    if let error = event.error { metadata["error"] = "\(error)" }
    metadata.merge(event.metadata ?? [:]) { $1 }
    return metadata.sorted { $0.key < $1.key }.reduce(into: event.message.description) {
      $0 += " \($1.key)=\($1.value)"
    }
  }

  var metadataProvider: Logger.MetadataProvider? {
    get { base.metadataProvider }
    set { base.metadataProvider = newValue }
  }

  var metadata: Logger.Metadata {
    get { base.metadata }
    set {
      own = newValue.filter { base.metadata[$0.key] != $0.value || own[$0.key] != nil }
      base.metadata = newValue
    }
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { base[metadataKey: key] }
    set {
      own[key] = newValue
      base[metadataKey: key] = newValue
    }
  }

  var logLevel: Logger.Level {
    get { level ?? min(base.logLevel, JobLog.level) }
    set {
      level = newValue
      base.logLevel = newValue
    }
  }
}
