import ArgumentParser
import Foundation
import JobClient
import JobConfig
import Jobs

/// Which server a command talks to, for whom, and how it prints what it hears.
struct ServerOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The server's URL (default: $WARREN_SERVER, or \(JobClient.defaultServer)).",
      valueName: "url"))
  var server: String?

  @Option(
    help: ArgumentHelp("Whose jobs they are.", valueName: "uuid"), transform: ArgumentText.uuid)
  var tenant: UUID?

  @Flag(help: "Print JSON, for programs.")
  var json = false

  /// How long a command that goes on for long, or asks for much, lets the server refuse it for now.
  static let patience = Duration.seconds(60)

  func client(
    patience: Duration = .zero,
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws(JobClientError) -> JobClient {
    if let (variable, meant) = ForeignVariables.misspelling(in: environment) {
      throw .invalidRequest("\(variable) is not a variable of Warren's; did you mean \(meant)?")
    }
    var limits = JobClientLimits()
    limits.patience = patience
    return try JobClient(
      server: server ?? environment["WARREN_SERVER"] ?? JobClient.defaultServer, tenant: tenant,
      token: try Self.token(environment), limits: limits)
  }

  /// The token has no option: what stands on a command line is seen by everybody on the machine.
  private static func token(_ environment: [String: String]) throws(JobClientError) -> String? {
    guard let file = environment["WARREN_TOKEN_FILE"] else { return environment["WARREN_TOKEN"] }
    guard environment["WARREN_TOKEN"] == nil else {
      throw .invalidRequest("WARREN_TOKEN and WARREN_TOKEN_FILE exclude each other")
    }
    do throws(ConfigurationError) {
      return try SecretFile.read(file)
    } catch {
      throw .invalidRequest(
        "WARREN_TOKEN_FILE: \(error.problems.map(\.message).joined(separator: "; "))")
    }
  }
}

/// Where the configuration is.
struct ConfigOptions: ParsableArguments {
  @Option(
    name: [.customShort("c"), .long],
    help: ArgumentHelp(
      "The configuration file; without one, defaults and WARREN_… variables count.",
      valueName: "file"))
  var config: String?

  func load(
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws(ConfigurationError) -> WarrenConfiguration {
    try WarrenConfiguration.load(path: config, environment: environment, checks: .complete)
  }
}

/// The job that a command is about.
struct JobArgument: ParsableArguments {
  @Argument(help: ArgumentHelp("The job's id.", valueName: "id"), transform: ArgumentText.jobID)
  var id: JobID
}

/// Which jobs a command is about.
struct JobFilterOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Only with these statuses, separated by commas.", valueName: "statuses"),
    transform: ArgumentText.statuses)
  var status: [JobStatus]?

  @Option(
    name: .customLong("type"), help: ArgumentHelp("Only of this job type.", valueName: "type"),
    transform: ArgumentText.jobType)
  var jobType: JobTypeID?

  @Option(
    help: ArgumentHelp("Only of this job queue.", valueName: "queue"),
    transform: ArgumentText.queue)
  var queue: JobQueueName?
}

/// Which part of a list is printed.
struct PageOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Which page, from 1.", valueName: "n"))
  var page: Int?

  @Option(help: ArgumentHelp("How many on a page, at most 1000 (default: 50).", valueName: "n"))
  var pageSize: Int?
}

/// How the texts of arguments are read; what is wrong with one becomes part of the parser's message.
enum ArgumentText {
  static func jobID(_ text: String) throws -> JobID {
    guard let id = JobID(text) else { throw ValidationError("a job id is a UUID") }
    return id
  }

  static func uuid(_ text: String) throws -> UUID {
    guard let uuid = UUID(uuidString: text) else { throw ValidationError("it must be a UUID") }
    return uuid
  }

  static func idempotencyKey(_ text: String) throws -> IdempotencyKey {
    try IdempotencyKey(text)
  }

  static func jobType(_ text: String) throws -> JobTypeID {
    try JobTypeID(text)
  }

  static func pattern(_ text: String) throws -> NamePattern {
    guard let pattern = NamePattern(text) else {
      throw ValidationError("a pattern takes the characters of names and *, as in files:*")
    }
    return pattern
  }

  static func queue(_ text: String) throws -> JobQueueName {
    try JobQueueName(text)
  }

  static func duration(_ text: String) throws -> Duration {
    try DurationText.parse(text)
  }

  /// Statuses, separated by commas.
  static func statuses(_ text: String) throws -> [JobStatus] {
    try text.split(separator: ",", omittingEmptySubsequences: false).map { word in
      guard let status = JobStatus(rawValue: String(word)) else {
        let known = JobStatus.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("'\(word)' is no status; statuses are \(known)")
      }
      return status
    }
  }

  /// A moment by ISO 8601, with its offset from UTC.
  static func moment(_ text: String) throws -> Timestamp {
    for fraction in [false, true] {
      let style = Date.ISO8601FormatStyle(includingFractionalSeconds: fraction)
      if let date = try? style.parse(text) {
        let milliseconds = (date.timeIntervalSince1970 * 1000).rounded()
        guard let whole = Int64(exactly: milliseconds), whole >= 0 else { break }
        return Timestamp(milliseconds: whole)
      }
    }
    throw ValidationError(
      "a time is written as in 2030-01-31T18:30:00Z or 2030-01-31T18:30:00+01:00")
  }

  /// One of the names of a kind.
  static func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ text: String
  ) throws -> Choice {
    guard let choice = Choice(rawValue: text) else {
      let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("'\(text)' is none of \(known)")
    }
    return choice
  }

  static func backoff(_ text: String) throws -> Backoff {
    guard let backoff = Backoff(rawValue: text) else {
      let known = Backoff.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("'\(text)' is none of \(known)")
    }
    return backoff
  }
}
