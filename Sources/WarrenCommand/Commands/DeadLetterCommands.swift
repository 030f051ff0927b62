import ArgumentParser
import Foundation
import JobClient
import Jobs

struct DeadCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dead",
    abstract: "Shows messages that could not be accepted, and has them tried again.",
    subcommands: [List.self, Show.self, Redrive.self, Drop.self, Edit.self],
    defaultSubcommand: List.self)

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "Lists dead letters, the newest first, or their causes.",
      discussion: "Those that wait, unless --state or --any-state says otherwise.")

    @OptionGroup var letters: DeadLetterOptions

    @Flag(help: "Count them by reason, and by where the params do not fit.")
    var group = false

    @Option(help: ArgumentHelp("What follows the list that ended with this.", valueName: "next"))
    var after: String?

    @OptionGroup var page: PageOptions
    @OptionGroup var server: ServerOptions

    func validate() throws {
      if after != nil, page.page != nil {
        throw ValidationError("--after and --page exclude each other")
      }
    }

    func run() async throws {
      let client = try server.client()
      guard !group else {
        let groups = try await client.deadLetterGroups(letters.filter)
        return try ListPrinter(json: server.json).show(
          DeadLetterGroupList(groups: groups), Table(groups, now: .now),
          none: "there are no dead letters", total: groups.count)
      }
      let list = try await client.deadLetters(
        letters.filter, page: page.page, after: after, pageSize: page.pageSize)
      try ListPrinter(json: server.json).show(
        list, Table(list.deadLetters, now: .now), none: "there are no dead letters",
        total: list.total, next: list.next)
    }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show", abstract: "Shows a dead letter, with its message.")

    @OptionGroup var letter: DeadLetterArgument
    @OptionGroup var server: ServerOptions

    func run() async throws {
      let detail = try await server.client().deadLetter(letter.id)
      Console.write(
        server.json ? try JSONOutput.text(detail) : try DeadLetterText.text(detail, now: .now),
        to: .output)
    }
  }

  struct Redrive: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "redrive", abstract: "Publishes dead letters again, as they were sent.",
      discussion: """
        What would be refused again stays where it is, with the reason. None becomes two jobs, however often it is redriven. \
        Letters that a filter chooses need --yes; with --dry-run it is only said what would become of each. The status is 0 \
        only if each was published, or would be accepted.
        """)

    @OptionGroup var selection: DeadLetterSelectionOptions
    @Option(help: ArgumentHelp("The most letters in a second.", valueName: "n"))
    var rate: Double?
    @OptionGroup var server: ServerOptions

    func validate() throws {
      if let rate, !(rate > 0) { throw ValidationError("--rate must be more than 0") }
      if selection.needsYes, !selection.dryRun, !selection.yes {
        throw ValidationError("to redrive what a filter chooses takes --yes, or --dry-run")
      }
    }

    func run() async throws {
      let client = try server.client()
      try await DeadLetterSets(selection: selection, rate: rate, json: server.json).run {
        selection throws(JobClientError) in
        try await client.redrive(deadLetters: selection, dryRun: self.selection.dryRun)
      }
    }
  }

  struct Drop: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "drop", abstract: "Removes dead letters for good.",
      discussion: "It takes --yes; with --dry-run it is only said which letters would go.")

    @OptionGroup var selection: DeadLetterSelectionOptions
    @OptionGroup var server: ServerOptions

    func validate() throws {
      if !selection.dryRun, !selection.yes {
        throw ValidationError(
          "to drop dead letters takes --yes; with --dry-run it is only said which")
      }
    }

    func run() async throws {
      let client = try server.client()
      try await DeadLetterSets(selection: selection, rate: nil, json: server.json).run {
        selection throws(JobClientError) in
        try await client.drop(deadLetters: selection, dryRun: self.selection.dryRun)
      }
    }
  }

  struct Edit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "edit", abstract: "Changes what is published of a dead letter.",
      discussion: """
        The original is kept beside it, and --reset brings it back. Without an option that says what is to be different, the \
        message is opened in $VISUAL or $EDITOR, as JSON.
        """)

    @OptionGroup var letter: DeadLetterArgument

    @Option(help: ArgumentHelp("The params, as a JSON object.", valueName: "json"))
    var params: String?

    @Option(help: ArgumentHelp("A file with the body, whatever it is.", valueName: "path"))
    var bodyFile: String?

    @Option(
      name: .customLong("type"), help: ArgumentHelp("The job type.", valueName: "type"))
    var jobType: String?

    @Option(
      name: .customLong("property"), parsing: .unconditionalSingleValue,
      help: ArgumentHelp(
        "A property, as in message_id=…; empty takes it away. May be given several times.",
        valueName: "name=value"),
      transform: { try ContextAssignment($0) })
    var properties: [ContextAssignment] = []

    @Option(
      name: .customLong("header"), parsing: .unconditionalSingleValue,
      help: ArgumentHelp(
        "A header, as in idempotency-key=17; empty takes it away. May be given several times.",
        valueName: "name=value"),
      transform: { try ContextAssignment($0) })
    var headers: [ContextAssignment] = []

    @Flag(help: "Undo what was edited.")
    var reset = false

    @OptionGroup var server: ServerOptions

    func validate() throws {
      if params != nil, bodyFile != nil {
        throw ValidationError("--params and --body-file exclude each other")
      }
      if reset, !isPlain { throw ValidationError("--reset stands alone") }
    }

    private var isPlain: Bool {
      params == nil && bodyFile == nil && jobType == nil && properties.isEmpty && headers.isEmpty
    }

    func run() async throws {
      let client = try server.client()
      let detail: DeadLetterDetail
      if reset {
        detail = try await client.reset(deadLetter: letter.id)
      } else if isPlain {
        let now = try await client.deadLetter(letter.id)
        guard let change = try await MessageEditor().edit(now.edited ?? now.message) else {
          return Console.write("nothing is different\n", to: .error)
        }
        detail = try await client.edit(deadLetter: letter.id, change)
      } else {
        detail = try await client.edit(deadLetter: letter.id, try change())
      }
      Console.write(
        server.json ? try JSONOutput.text(detail) : try DeadLetterText.text(detail, now: .now),
        to: .output)
    }

    private static func value(of property: ContextAssignment) -> JSONValue {
      if property.value.isEmpty { return .null }
      guard property.name == "priority", let number = Int64(property.value) else {
        return .string(property.value)
      }
      return .integer(number)
    }

    private func change() throws -> DeadLetterChange {
      var change = DeadLetterChange()
      if let params {
        do {
          change.params = try JSONValue(parsing: params.utf8)
        } catch {
          throw ParamError("--params must be a JSON object: \(error)")
        }
      }
      if let bodyFile {
        do {
          change.body = try Data(contentsOf: URL(filePath: bodyFile))
        } catch {
          throw ParamError("--body-file: \(error.localizedDescription)")
        }
      }
      for property in properties { change.properties[property.name] = Self.value(of: property) }
      if let jobType {
        change.properties["type"] = .string(jobType)
        // Where both are there, the property counts.
        change.headers["type"] = .null
      }
      for header in headers {
        change.headers[header.name] = header.value.isEmpty ? .null : .string(header.value)
      }
      return change
    }
  }
}

/// The dead letter that a command is about.
struct DeadLetterArgument: ParsableArguments {
  @Argument(
    help: ArgumentHelp("The dead letter's id.", valueName: "id"), transform: ArgumentText.uuid)
  var id: UUID
}

/// Which dead letters a command is about.
struct DeadLetterOptions: ParsableArguments {
  @Option(
    help: "Only those that are waiting, redriven or accepted.", transform: ArgumentText.choice)
  var state: DeadLetterState?

  @Flag(help: "Whatever their state is.")
  var anyState = false

  @Option(help: "Only those that were refused for this, as in unknown-type.")
  var reason: String?

  @Option(
    name: .customLong("type"),
    help: ArgumentHelp("Only those that name this job type.", valueName: "type"))
  var jobType: String?

  @Option(help: "Only those of this job queue, or found in this queue of the broker.")
  var queue: String?

  @Option(
    help: ArgumentHelp(
      "Only those whose params do not fit there, as in /path.", valueName: "pointer")
  )
  var pointer: String?

  @Option(
    help: ArgumentHelp("Only those that came then or later (ISO 8601).", valueName: "time"),
    transform: ArgumentText.moment)
  var since: Timestamp?

  @Option(
    help: ArgumentHelp("Only those that came before that time.", valueName: "time"),
    transform: ArgumentText.moment)
  var until: Timestamp?

  func validate() throws {
    if state != nil, anyState {
      throw ValidationError("--state and --any-state exclude each other")
    }
  }

  var filter: DeadLetterFilter {
    DeadLetterFilter(
      state: anyState ? nil : state ?? .waiting, reason: reason, type: jobType, queue: queue,
      pointer: pointer, since: since, until: until)
  }

  /// Whether nothing narrows it.
  var isPlain: Bool { filter == DeadLetterFilter(state: .waiting) }
}

/// Which dead letters something is done to.
struct DeadLetterSelectionOptions: ParsableArguments {
  @Argument(
    help: ArgumentHelp("The dead letters' ids.", valueName: "id"), transform: ArgumentText.uuid)
  var ids: [UUID] = []

  @OptionGroup var letters: DeadLetterOptions

  @Flag(help: "All that wait, where nothing else is said of them.")
  var all = false

  @Flag(help: "Only say what would become of each.")
  var dryRun = false

  @Flag(help: "Do it.")
  var yes = false

  func validate() throws {
    if dryRun, yes { throw ValidationError("--dry-run and --yes exclude each other") }
    if letters.anyState {
      throw ValidationError("--any-state is for lists; give --state for letters in another one")
    }
    if ids.isEmpty, letters.isPlain, !all {
      throw ValidationError(
        "which dead letters? give their ids, or one of --reason, --type, --queue, --pointer, --since,"
          + " --until, --state, or --all")
    }
    if !ids.isEmpty, all || !letters.isPlain {
      throw ValidationError("ids exclude what chooses letters otherwise")
    }
    if all, !letters.isPlain { throw ValidationError("--all excludes what narrows it") }
  }

  var needsYes: Bool { ids.isEmpty }
}

/// Does something to dead letters in small sets, at a rate, and tells what became of each.
struct DeadLetterSets {
  /// How many at once.
  private static let most = 100

  let selection: DeadLetterSelectionOptions
  /// Letters in a second.
  let rate: Double?
  let json: Bool

  func run(
    _ work: (DeadLetterSelection) async throws(JobClientError) -> DeadLetterResults
  ) async throws {
    let size = rate.map { max(1, min(Self.most, Int($0))) } ?? Self.most
    var results: [DeadLetterResult] = []
    var matching = selection.ids.count
    var ids = selection.ids[...]
    var after: String?
    let clock = ContinuousClock()
    while true {
      let begun = clock.now
      let answer =
        if selection.ids.isEmpty {
          try await work(.filter(selection.letters.filter, limit: size, after: after))
        } else {
          try await work(.ids(Array(ids.prefix(size))))
        }
      // What was dropped is not meant any more.
      if selection.ids.isEmpty, results.isEmpty { matching = answer.matching }
      results += answer.results
      tell(answer.results)
      ids = ids.dropFirst(size)
      after = answer.next
      guard selection.ids.isEmpty ? after != nil : !ids.isEmpty else { break }
      if let rate {
        try await clock.sleep(until: begun.advanced(by: .seconds(Double(size) / rate)))
      }
    }
    if json {
      let all = DeadLetterResults(
        dryRun: selection.dryRun, matching: matching, next: nil, results: results)
      Console.write(try JSONOutput.text(all), to: .output)
    } else {
      Console.write(DeadLetterText.sum(results) + "\n", to: .output)
    }
    let good: Set<DeadLetterResult.Outcome> = [.sent, .acceptable, .dropped, .droppable]
    guard results.allSatisfy({ good.contains($0.outcome) }) else {
      throw ExitCode(ExitStatus.refused.rawValue)
    }
  }

  private func tell(_ results: [DeadLetterResult]) {
    guard !json else { return }
    for result in results { Console.write(DeadLetterText.line(result) + "\n", to: .output) }
  }
}
