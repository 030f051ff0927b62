import ArgumentParser

/// Which part of a list is printed.
struct PageOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Which page, from 1.", valueName: "n"))
  var page: Int?

  @Option(help: ArgumentHelp("How many on a page, at most 1000 (default: 50).", valueName: "n"))
  var pageSize: Int?
}
