import ArgumentParser
import Foundation
import Jobs

/// The command line: parses, composes, runs.
@main
struct Warren: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "warren",
    abstract: "Schedules jobs, asks after them, and runs what does them.",
    discussion: """
      Exit statuses:
      \(ExitStatus.help)

      Environment:
        WARREN_SERVER  the server's URL, unless --server names one
        WARREN_TOKEN, WARREN_TOKEN_FILE
                       sent as Authorization: Bearer, to the server or a proxy before it
        WARREN_…       every setting of the configuration file, as in WARREN_HTTP_PORT
      """,
    version: "warren \(WarrenVersion.current)",
    subcommands: [
      ScheduleCommand.self, GetCommand.self, LogsCommand.self, ListCommand.self, WaitCommand.self,
      CancelCommand.self, SuspendCommand.self, ResumeCommand.self, RetryCommand.self,
      DeleteCommand.self, HistoryCommand.self, EventsCommand.self, WatchCommand.self,
      BulkCommand.self, OperationsCommand.self, DeadCommand.self, TokenCommand.self,
      WhoAmICommand.self, AuditCommand.self, TypesCommand.self, GroupsCommand.self,
      QueuesCommand.self, WorkersCommand.self, WebhooksCommand.self, PruneCommand.self,
      HealthCommand.self,
      ReadyCommand.self, ServeCommand.self, WorkerCommand.self, ConfigCommand.self,
      BrokerCommand.self, BenchCommand.self, BenchWorkerCommand.self,
    ])

  static func main() async {
    do {
      var command = try await asyncParseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
    } catch {
      let status = ExitStatus(error)
      let text = fullMessage(for: error)
      if !text.isEmpty { Console.write(text + "\n", to: status == .ok ? .output : .error) }
      Foundation.exit(status.rawValue)
    }
  }
}
