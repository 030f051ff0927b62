import Jobs

/// Why a line that a program wrote to `WARREN_REPORT` is no report.
struct CommandReportError: Error, Hashable, CustomStringConvertible {
  let description: String

  init(_ description: String) {
    self.description = description.shortened(to: 600)
  }
}
