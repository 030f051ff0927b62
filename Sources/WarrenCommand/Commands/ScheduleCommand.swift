import ArgumentParser
import Foundation
import JobClient
import Jobs

struct ScheduleCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schedule", abstract: "Schedules a job.",
    discussion: """
      The value of a --param is taken as text where the job type takes a text, and is read as JSON elsewhere. A dotted \
      key is a member of an object. With the same idempotency key, the same job is never scheduled twice. TRACEPARENT, \
      TRACESTATE and BAGGAGE of the environment go with the job.
      """)

  @Argument(
    help: ArgumentHelp("The job type, as in files:checksum.", valueName: "type"),
    transform: ArgumentText.jobType)
  var jobType: JobTypeID

  @Option(
    name: .customLong("param"), parsing: .unconditionalSingleValue,
    help: ArgumentHelp("A param; may be given several times.", valueName: "key=value"),
    transform: { try ParamAssignment($0) })
  var assignments: [ParamAssignment] = []

  @Option(help: ArgumentHelp("All params, as a JSON object.", valueName: "json"))
  var params: String?

  @Option(
    help: ArgumentHelp(
      "Scheduling again with the same key gives the same job: a text, or a UUID.",
      valueName: "key"),
    transform: ArgumentText.idempotencyKey)
  var idempotencyKey: IdempotencyKey?

  @Option(
    name: .customLong("at"),
    help: ArgumentHelp("Not before this time (ISO 8601).", valueName: "time"),
    transform: ArgumentText.moment)
  var moment: Timestamp?

  @Option(
    name: .customLong("in"),
    help: ArgumentHelp("Not before so much time has passed, as in 90s.", valueName: "duration"),
    transform: ArgumentText.duration)
  var delay: Duration?

  @Option(
    help: ArgumentHelp("How long it may run; 0s is without limit.", valueName: "duration"),
    transform: ArgumentText.duration)
  var timeout: Duration?

  @Option(help: ArgumentHelp("How often it is run again when it fails.", valueName: "n"))
  var maxRetries: Int?

  @Option(
    help: ArgumentHelp("After how long it is run again.", valueName: "duration"),
    transform: ArgumentText.duration)
  var retryDelay: Duration?

  @Option(
    help: "How that delay grows: constant, linear or exponential.",
    transform: ArgumentText.backoff)
  var backoff: Backoff?

  @Option(
    help: ArgumentHelp("No retry waits longer, jitter not counted.", valueName: "duration"),
    transform: ArgumentText.duration)
  var maxRetryDelay: Duration?

  @Option(
    help: ArgumentHelp("By which part a delay varies at random, 0 to 1.", valueName: "part"))
  var jitter: Double?

  @Option(
    help: ArgumentHelp(
      "0 to 9: of the jobs that are due, those with the higher one run first.",
      valueName: "priority"))
  var priority: Int?

  @Option(
    name: .customLong("context"), parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "What the job is told besides its params; may be given several times.",
      valueName: "name=value"),
    transform: { try ContextAssignment($0) })
  var context: [ContextAssignment] = []

  @Option(
    name: .customLong("webhook"),
    help: ArgumentHelp(
      "A webhook endpoint of the server that is told of its end; may be given several times.",
      valueName: "name"))
  var webhooks: [String] = []

  @Flag(help: "Wait for its end, and show its progress.")
  var wait = false

  @Option(
    help: ArgumentHelp("How long to wait (default: 1d).", valueName: "duration"),
    transform: ArgumentText.duration)
  var waitTimeout: Duration?

  @Flag(name: .shortAndLong, help: "Print the id alone; with --wait, the result alone.")
  var quiet = false

  @OptionGroup var server: ServerOptions

  func validate() throws {
    if params != nil, !assignments.isEmpty {
      throw ValidationError("--param and --params exclude each other")
    }
    if moment != nil, delay != nil {
      throw ValidationError("--at and --in exclude each other")
    }
    if let priority, !JobPriority.range.contains(priority) {
      throw ValidationError("--priority takes 0 to 9, not \(priority)")
    }
    if waitTimeout != nil, !wait { throw ValidationError("--wait-timeout is of use with --wait") }
  }

  func run() async throws {
    let client = try server.client()
    let scheduled = try await schedule(
      ScheduleRequest(
        type: jobType, params: try await params(client),
        idempotencyKey: idempotencyKey ?? .unique(),
        scheduledAt: moment ?? delay.map { .now + $0 }, timeout: timeout, maxRetries: maxRetries,
        retryDelay: retryDelay, backoff: backoff, maxRetryDelay: maxRetryDelay, jitter: jitter,
        priority: priority,
        context: ContextAssignment.context(context, ProcessInfo.processInfo.environment),
        webhooks: webhooks),
      client)
    guard wait else { return try announce(scheduled) }
    if !quiet { Console.write("job \(scheduled.job.id)\n", to: .error) }
    let waiting = JobWait(
      client: client, timeout: waitTimeout ?? JobWait.defaultTimeout, isQuiet: quiet)
    let job = try await waiting(scheduled.job.id)
    try JobPrinter(json: server.json, isQuiet: quiet).showEnd(of: job)
  }

  /// - Throws: `JobClientError`; when the answer is lost the key has been told, by which it can be asked for again.
  private func schedule(
    _ request: ScheduleRequest, _ client: JobClient
  ) async throws(JobClientError) -> ScheduledJob {
    do {
      return try await client.schedule(request)
    } catch {
      switch error {
      case .unreachable, .unexpectedAnswer, .cancelled:
        Console.write(
          "should the job be scheduled nonetheless, the same command with --idempotency-key"
            + " \(request.idempotencyKey) makes no second one\n", to: .error
        )
      case .invalidRequest, .problem, .timedOut: break
      }
      throw error
    }
  }

  private func params(_ client: JobClient) async throws -> JSONValue {
    if let params {
      do {
        let value = try JSONValue(parsing: params.utf8)
        if value.members != nil { return value }
      } catch {
        throw ParamError("--params must be a JSON object: \(error)")
      }
      throw ParamError("--params must be a JSON object")
    }
    guard !assignments.isEmpty else { return [:] }
    return try ParamAssembly.params(assignments, schema: try await client.type(jobType).schema)
  }

  private func announce(_ scheduled: ScheduledJob) throws {
    if server.json {
      Console.write(try JSONOutput.text(scheduled.job), to: .output)
    } else if quiet {
      Console.write("\(scheduled.job.id)\n", to: .output)
    } else {
      let novelty = scheduled.isNew ? "" : " (scheduled before, with this idempotency key)"
      Console.write(
        "job \(scheduled.job.id) is \(scheduled.job.status.rawValue)\(novelty)\n", to: .output)
    }
  }
}

/// One entry of the job's context, as in `request-id=17`.
struct ContextAssignment: Equatable {
  let name: String
  let value: String

  init(_ text: String) throws(ParamError) {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[0].isEmpty else {
      throw ParamError("'\(text.prefix(100))' is no entry of a context; it must be like name=value")
    }
    name = String(parts[0])
    value = String(parts[1])
  }

  /// These entries, and the trace that this process is part of where they say nothing of it.
  static func context(
    _ given: [ContextAssignment], _ environment: [String: String]
  ) -> [String: String] {
    var context: [String: String] = [:]
    for name in CarriedContext.traceHeaders { context[name] = environment[name.uppercased()] }
    for entry in given { context[entry.name] = entry.value }
    return context
  }
}
