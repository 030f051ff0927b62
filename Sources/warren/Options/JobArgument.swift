import ArgumentParser
import Jobs

/// The job that a command is about.
struct JobArgument: ParsableArguments {
  @Argument(help: ArgumentHelp("The job's id.", valueName: "id"), transform: ArgumentText.jobID)
  var id: JobID
}
