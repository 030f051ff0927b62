/// How much of a program's output is kept, in bytes. What is over a limit is read and dropped, so
/// that the program never stands still because of it.
public struct CommandLimits: Sendable, Hashable {
  /// Of standard output, from its beginning.
  public var output: Int
  /// Of standard error, from its end.
  public var errorTail: Int
  /// Of a line of standard error in the job's log.
  public var logLine: Int
  /// Of a line in `WARREN_REPORT`; a longer one is no report.
  public var reportLine: Int

  /// Limits; those left out are as they mostly should be.
  public init(
    output: Int = 64 << 10, errorTail: Int = 4 << 10, logLine: Int = 8 << 10,
    reportLine: Int = 1 << 20
  ) {
    self.output = max(0, output)
    self.errorTail = max(0, errorTail)
    self.logLine = max(0, logLine)
    self.reportLine = max(0, reportLine)
  }
}
