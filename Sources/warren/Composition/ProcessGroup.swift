import JobConfig
import Logging
import ServiceLifecycle
import UnixSignals

/// What `serve` and `worker` have in common: a log on standard error, and services that run until a signal.
enum ProcessGroup {
  static func logger(_ configuration: WarrenConfiguration) -> Logger {
    LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
    var logger = Logger(label: "warren")
    logger.logLevel = configuration.logLevel
    for warning in configuration.warnings { logger.warning("\(warning)") }
    return logger
  }

  /// Runs services until one of them fails, or until SIGTERM or SIGINT ends them in order.
  static func run(_ services: [any Service], logger: Logger) async throws {
    try await ServiceGroup(
      services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger
    ).run()
  }
}
