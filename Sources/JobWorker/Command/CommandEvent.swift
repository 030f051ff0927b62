/// What happens while a program runs.
enum CommandEvent: Sendable, Hashable {
  /// A line of its standard error, for the job's log.
  case log(String)
  /// A report that was of no use and why, for the job's log.
  case warning(String)
  case report(CommandReport)
}
