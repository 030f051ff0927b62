import Foundation
package import Jobs
import Logging
import SystemPackage

/// A job type whose work is done by a program.
///
/// The program gets the params in its arguments, as the template says, and as a line of JSON on standard input; and in its
/// environment `WARREN_JOB_ID`, `WARREN_JOB_TYPE`, `WARREN_ATTEMPT` (from 1), `WARREN_RETRIES` (how many failures went
/// before), `WARREN_TENANT_ID`, `WARREN_USER_ID`, where the job has them `TRACEPARENT`, `TRACESTATE` and `BAGGAGE`
/// (``CarriedContext``), and `WARREN_REPORT`, the path that takes lines of JSON:
/// `{"progress": 42, "details": "…"}`, `{"result": …}`, `{"skip": "reason"}`, `{"snapshot": …}`, `{"retry_after": 30}`,
/// `{"snooze": 30}`, `{"heartbeat": true}`. A snapshot is in the file
/// that `WARREN_SNAPSHOT` names when the job runs again. Standard error goes to the job's log.
///
/// Exit code 0 completes the job, 100 fails it for good, any other fails it. Cancellation and time-out send SIGTERM to the
/// program's process group, and after the grace period SIGKILL.
package struct CommandJobType: Sendable {
  /// Names the queue of its jobs.
  package let group: JobGroup
  /// All that others know of it.
  package let description: JobTypeDescription
  /// What is run.
  package let command: CommandTemplate
  /// Added to the worker's own environment.
  package var environment: [String: String] = [:]
  /// The worker's own when it is `nil`.
  package var workingDirectory: String?
  /// How long the program may take to end after SIGTERM.
  package var grace: Duration = .seconds(5)
  /// How long and how much its programs may.
  package var limits = CommandLimits()

  /// Declares one.
  ///
  /// - Parameters:
  ///   - params: the default of each param; with them the schema, where it is not given.
  ///   - schema: what params have to be, with their defaults.
  ///   - command: the program and its arguments; `{name}` of a param stands for its value (``CommandTemplate``).
  ///   - timeout: how long one execution may take; zero is without limit.
  ///   - stallTimeout: how long it may report nothing; zero is for ever.
  ///   - priority: 0 to 9, higher ones first; of jobs that say nothing else.
  /// - Throws: ``CommandJobTypeError``, ``CommandTemplateError``, or ``NameError`` for a name that is none.
  package init(
    group: JobGroup, name: String, description: String = "", params: JSONValue = [:],
    schema: ParamsSchema? = nil, command: [String], timeout: Duration = .zero,
    stallTimeout: Duration = .zero,
    retry: RetryPolicy = .never,
    priority: Int = JobPriority.standard, suspendable: Bool = false
  ) throws {
    guard params.members != nil else { throw CommandJobTypeError.paramsNotObject(params.kind) }
    self.group = group
    let schema = schema ?? ParamsSchema(defaults: params)
    self.command = try CommandTemplate(command, params: schema.outline)
    self.description = JobTypeDescription(
      id: try JobTypeID(group: group.name, name: name), description: description,
      timeout: timeout, stallTimeout: stallTimeout, retry: retry, priority: priority,
      params: params, schema: schema, suspendable: suspendable)
  }

  /// The form in which it stands in a registry.
  ///
  /// - Parameter runtime: the process's one.
  package func registered(in runtime: CommandRuntime) -> RegisteredJobType {
    // The shepherd needs some time of its own: it kills what is left, and waits for that.
    RegisteredJobType(group: group, description: description, grace: grace + .seconds(15)) {
      _, context in try await run(context, runtime)
    }
  }

  private func run(
    _ context: JobContext, _ runtime: CommandRuntime
  ) async throws -> JSONPayload? {
    let process = try process(context.assignment)
    let outcome = try await run(process, context, runtime)
    switch CommandVerdict(outcome) {
    case .completed(let result): return result.map { JSONPayload($0) }
    case .skipped(let reason): throw JobSkip(reason: reason)
    case .snoozed(let delay, let reason): throw Snooze(delay, reason)
    case .retryAfter(let message, let retry):
      throw RetryAfter(retry.delay, counted: retry.counted, because: message)
    case .interrupted(let message): throw Interruption(description: message)
    case .failed(let message, true): throw PermanentFailure(message)
    case .failed(let message, false):
      throw CommandFailure(description: message, isBySignal: outcome.end.isByRequest)
    }
  }

  private func run(
    _ process: CommandProcess, _ context: JobContext, _ runtime: CommandRuntime
  ) async throws -> CommandOutcome {
    let snapshots = SnapshotBox()
    // No child of this task, which is cancelled when the program is told to end: what it saves then is what matters most, and
    // a cancelled task gets nothing more from a stream.
    let saving = Task {
      await snapshots.pass { snapshot in
        do {
          try await context.saveSnapshot(snapshot)
        } catch {
          // The broker takes it, but the attempt is no longer the job's. Its task hears of that as well.
          context.logger.warning("a snapshot is not kept: \(error)")
        }
      }
    }
    let result: Result<CommandOutcome, any Error>
    do {
      result = .success(
        try await runtime.run(process) { event in handle(event, context, snapshots) })
    } catch {
      result = .failure(error)
    }
    snapshots.finish()
    // Before the outcome, which goes on from it maybe.
    await saving.value
    do {
      return try result.get()
    } catch let error as CommandError where error != .canceled {
      // Another try, here or elsewhere, would fail as well.
      throw PermanentFailure(error.description)
    }
  }

  private func process(
    _ assignment: JobAssignment
  ) throws(PermanentFailure) -> CommandProcess {
    var process: CommandProcess
    do {
      let params = try assignment.params.value()
      process = CommandProcess(command: try command.render(params), params: params)
    } catch {
      // The same params make the same command the next time.
      throw PermanentFailure("the command cannot be made from the params: \(error)")
    }
    do {
      process.snapshot = try assignment.snapshot?.value()
    } catch {
      throw PermanentFailure("the snapshot cannot be read: \(error)")
    }
    process.environment = environment.merging(
      [
        "WARREN_JOB_ID": "\(assignment.job)",
        "WARREN_JOB_TYPE": "\(assignment.type)",
        "WARREN_ATTEMPT": "\(assignment.attempt)",
        "WARREN_RETRIES": "\(assignment.retries)",
        "WARREN_TENANT_ID": assignment.tenant.uuidString.lowercased(),
        "WARREN_USER_ID": assignment.user.uuidString.lowercased(),
      ], uniquingKeysWith: { _, own in own }
    ).merging(traceVariables(assignment.context)) { _, own in own }
    process.workingDirectory = workingDirectory.map { FilePath($0) }
    process.grace = grace
    process.limits = limits
    return process
  }

  /// As W3C Trace Context would have them in an environment: the headers' names in capitals.
  private func traceVariables(_ context: [String: String]) -> [String: String] {
    Dictionary(
      uniqueKeysWithValues: CarriedContext.traceHeaders.compactMap { name in
        context[name].map { (name.uppercased(), $0) }
      })
  }

  private func handle(_ event: CommandEvent, _ context: JobContext, _ snapshots: SnapshotBox) {
    if case .report = event { context.heartbeat() }
    switch event {
    case .log(let line):
      context.logger.info("\(line)")
    case .keptLog(let line):
      context.keep(line, level: .info)
    case .warning(let warning):
      context.logger.warning("\(warning)")
    case .report(.progress(let progress)):
      context.report(progress)
    case .report(.snapshot(let snapshot)):
      snapshots.put(snapshot)
    case .report(.result), .report(.skip), .report(.retryAfter), .report(.snooze),
      .report(.heartbeat):
      // Part of the outcome, or of no more to say.
      break
    }
  }
}

/// Between a program that saves snapshots as often as it likes and the one who has them kept, one at a time: holds the
/// newest, which is all that another attempt would go on from.
final class SnapshotBox: Sendable {
  private let newest: AsyncStream<JSONValue>
  private let continuation: AsyncStream<JSONValue>.Continuation

  init() {
    (newest, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  func put(_ snapshot: JSONValue) {
    continuation.yield(snapshot)
  }

  /// Nothing more comes.
  func finish() {
    continuation.finish()
  }

  /// Passes snapshots on until there are no more. What is in the box at the end is passed on still.
  func pass(_ keep: (JSONValue) async -> Void) async {
    for await snapshot in newest { await keep(snapshot) }
  }
}

/// Why a command job's type is none.
package enum CommandJobTypeError: Error, Hashable, CustomStringConvertible {
  /// The default params are no object.
  case paramsNotObject(JSONKind)

  package var description: String {
    switch self {
    case .paramsNotObject(let kind):
      "the params must be an object, name by name with its default, not \(kind.rawValue)"
    }
  }
}

/// How much of a program's output is kept, in bytes. What is over a limit is read and dropped, so
/// that the program never stands still because of it.
package struct CommandLimits: Sendable, Hashable {
  /// Of standard output, from its beginning. As a job's result it may be cut further: that has no more than
  /// ``JobLimits/result`` bytes of JSON.
  package var output: Int
  /// Of standard error, from its end.
  package var errorTail: Int
  /// Of a line of standard error in the job's log.
  package var logLine: Int
  /// Of all lines of one attempt's standard error in the job's log.
  package var log: Int
  /// Of a line in `WARREN_REPORT`; a longer one is no report. There is room for the largest result and the largest snapshot,
  /// in a spelling that takes twice as much as their shortest.
  package var reportLine: Int
  /// Of a snapshot, in its shortest spelling.
  package var snapshot: Int

  /// The most of standard output that can be asked for.
  package static let largestOutput = JobLimits.result

  /// Limits; those left out are as they mostly should be.
  package init(
    output: Int = 64 << 10, errorTail: Int = 4 << 10, logLine: Int = 8 << 10, log: Int = 1 << 20,
    reportLine: Int = 2 * (JobLimits.result + JobLimits.snapshot) + 4096,
    snapshot: Int = JobLimits.snapshot
  ) {
    self.output = min(max(0, output), Self.largestOutput)
    self.errorTail = max(0, errorTail)
    self.logLine = max(0, logLine)
    self.log = max(0, log)
    self.reportLine = max(0, reportLine)
    self.snapshot = max(0, snapshot)
  }
}
