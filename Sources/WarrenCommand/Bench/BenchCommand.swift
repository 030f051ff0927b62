import ArgumentParser
import Foundation
import Jobs
import UnixSignals

struct BenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measures what Warren does on this machine, with the configured broker.",
    discussion: """
      Each phase has a server and a worker of its own, as processes, a store and names on the broker that nobody has used \
      before, and a job that does nothing; all of that is gone in the end, also after Ctrl-C. The phases:
      \(BenchPhase.allCases.map { "  \($0.rawValue): \($0.explanation)" }.joined(separator: "\n"))
      """)

  @OptionGroup var config: ConfigOptions

  @Option(
    help: ArgumentHelp(
      "Only these phases, separated by commas (default: all; big-store with --rows).",
      valueName: "names"),
    transform: BenchCommand.phases)
  var phases: [BenchPhase]?

  @Option(help: ArgumentHelp("How many jobs are measured in each phase.", valueName: "n"))
  var jobs = BenchSettings().jobs

  @Option(help: ArgumentHelp("How many jobs are handed to the broker at once.", valueName: "n"))
  var batch = BenchSettings().batch

  @Option(
    help: ArgumentHelp(
      "How many jobs the worker may have at once (default: two batches).", valueName: "n"))
  var capacity: Int?

  @Option(help: ArgumentHelp("How many clients of the API at once.", valueName: "n"))
  var connections = BenchSettings().connections

  @Option(help: ArgumentHelp("Jobs a second in the phase latency.", valueName: "n"))
  var rate = BenchSettings().rate

  @Option(help: ArgumentHelp("How long the phase latency is.", valueName: "n"))
  var seconds = BenchSettings().seconds

  @Option(help: ArgumentHelp("How many rows the big store has.", valueName: "n"))
  var rows: Int?

  @Option(help: ArgumentHelp("How often each kind of look-up is measured.", valueName: "n"))
  var lookups = BenchSettings().lookups

  @Option(
    help: ArgumentHelp(
      "The folder in which stores are made: the disk is a part of what is measured (default: the system's for temporary files).",
      valueName: "path"))
  var folder: String?

  @Flag(
    help: """
      Use the configured prefix and store instead, whose server must not run, and keep what it scheduled there. The jobs are \
      of a tenant and a queue of their own.
      """)
  var keep = false

  @Flag(help: "Print JSON, for programs.")
  var json = false

  @Option(
    help: ArgumentHelp("Write the JSON to this file, besides the table.", valueName: "path"))
  var output: String?

  func validate() throws {
    try Self.check("--jobs", jobs, 1...100_000_000)
    try Self.check("--batch", batch, 1...10_000)
    try Self.check("--connections", connections, 1...10_000)
    try Self.check("--rate", rate, 1...100_000)
    try Self.check("--seconds", seconds, 1...86_400)
    try Self.check("--lookups", lookups, 1...10_000_000)
    if let capacity { try Self.check("--capacity", capacity, JobQueue.capacities) }
    if let rows { try Self.check("--rows", rows, 1...1_000_000_000) }
    if let folder {
      let isFolder = try? URL(filePath: folder).resourceValues(forKeys: [.isDirectoryKey])
        .isDirectory
      guard isFolder == true else {
        throw ValidationError("--folder: there is no folder \(folder)")
      }
    }
    if phases?.contains(.bigStore) == true, rows == nil {
      throw ValidationError("the phase big-store takes --rows")
    }
    if rows != nil, let phases, !phases.contains(.bigStore) {
      throw ValidationError("--rows is of use with the phase big-store")
    }
    if keep, rows != nil {
      throw ValidationError("--keep and --rows exclude each other: no store is filled that is kept")
    }
  }

  /// What the options say.
  var settings: BenchSettings {
    var settings = BenchSettings()
    settings.phases = phases ?? settings.phases + (rows == nil ? [] : [.bigStore])
    settings.jobs = jobs
    settings.batch = batch
    settings.capacity = capacity ?? min(2 * batch, JobQueue.capacities.upperBound)
    settings.connections = connections
    settings.rate = rate
    settings.seconds = seconds
    settings.rows = rows ?? 0
    settings.lookups = lookups
    return settings
  }

  func run() async throws {
    let configuration = try config.load()
    let parent = folder.map { URL(filePath: $0) } ?? FileManager.default.temporaryDirectory
    let progress = BenchProgress.standardError()
    let run = BenchRun(settings: settings, configuration: configuration, progress: progress) {
      [keep, file = config.config] in
      keep
        ? .configured(configuration, file: file, in: parent)
        : .throwaway(configuration, in: parent)
    }
    defer { progress.finish() }
    let report = try await Interruption.watching([.sigint, .sigterm]) { try await run() }
    progress.finish()
    let text = try JSONOutput.text(report)
    if let output { try Data(text.utf8).write(to: URL(filePath: output)) }
    Console.write(json ? text : BenchText.text(report), to: .output)
  }

  /// Reads names of phases, separated by commas.
  private static func phases(_ text: String) throws -> [BenchPhase] {
    try text.split(separator: ",", omittingEmptySubsequences: false).map { word in
      guard let phase = BenchPhase(rawValue: String(word)) else {
        let known = BenchPhase.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("'\(word)' is no phase; phases are \(known)")
      }
      return phase
    }
  }

  private static func check(
    _ option: String, _ value: Int, _ range: ClosedRange<Int>
  ) throws {
    guard range.contains(value) else {
      throw ValidationError(
        "\(option) must be from \(range.lowerBound) to \(range.upperBound), not \(value)")
    }
  }
}
