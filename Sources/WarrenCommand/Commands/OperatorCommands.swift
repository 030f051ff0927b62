import ArgumentParser
import JobClient
import JobWorker
import Jobs

struct HealthCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "health", abstract: "Succeeds when the server answers at all.",
    discussion:
      "With --file it asks no server, but succeeds when the worker that touches that file is healthy."
  )

  @OptionGroup var server: ServerOptions

  @Option(
    help: ArgumentHelp("What a worker was given as --health-file.", valueName: "path"))
  var file: String?

  func run() async throws {
    if let file {
      if let problem = HealthFile(path: file).problem() {
        throw UnhealthyWorker(description: problem)
      }
    } else {
      try await server.client().health()
    }
    let text = file == nil ? "the server answers" : "the worker is healthy"
    Console.write(try server.json ? JSONOutput.text(["status": "ok"]) : text + "\n", to: .output)
  }
}

/// The worker that is asked after is not healthy, or not there.
struct UnhealthyWorker: Error, CustomStringConvertible {
  let description: String
}

struct ReadyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ready",
    abstract: "Succeeds when the server can accept jobs and hand them out.")

  @Option(
    help: ArgumentHelp("How long to wait for that (default: 0s).", valueName: "duration"),
    transform: ArgumentText.duration)
  var timeout: Duration?

  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await server.client().waitUntilReady(timeout: timeout ?? .zero)
    Console.write(
      try server.json ? JSONOutput.text(["status": "ready"]) : "the server is ready\n", to: .output)
  }
}

struct PruneCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prune", abstract: "Removes jobs that ended longer ago than they are kept.",
    discussion:
      "The server does so by itself every few minutes. How long jobs are kept stands in its configuration. All tenants' jobs are meant."
  )

  @Flag(help: "Only say how many would go, by type and status.")
  var dryRun = false

  @OptionGroup var server: ServerOptions

  func run() async throws {
    let client = try server.client()
    var report = try await client.prune(dryRun: dryRun)
    do {
      while report.hasMore, !dryRun { report.add(try await client.prune()) }
    } catch {
      // What is gone is gone.
      Console.write(Self.text(report), to: .error)
      throw error
    }
    Console.write(try server.json ? JSONOutput.text(report) : Self.text(report), to: .output)
  }

  static func text(_ report: PruneReport) -> String {
    let (jobs, ids) = (report.total, report.tombstones)
    guard jobs > 0 || ids > 0 else { return "nothing is old enough to be pruned\n" }
    let table = Table(report.jobs).text.map { $0 + "\n" } ?? ""
    var parts: [String] = []
    if jobs > 0 { parts.append(jobs == 1 ? "1 job" : "\(jobs) jobs") }
    if ids > 0 { parts.append(ids == 1 ? "1 id of a deleted job" : "\(ids) ids of deleted jobs") }
    let verb = report.dryRun ? "would be" : jobs + ids == 1 ? "was" : "were"
    return "\(table)\(parts.joined(separator: " and ")) \(verb) pruned\n"
  }
}
