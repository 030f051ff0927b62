public import Jobs

/// How much of a program's output is kept, in bytes. What is over a limit is read and dropped, so
/// that the program never stands still because of it.
public struct CommandLimits: Sendable, Hashable {
  /// Of standard output, from its beginning. As a job's result it may be cut further: that has no more than
  /// ``JobLimits/result`` bytes of JSON.
  public var output: Int
  /// Of standard error, from its end.
  public var errorTail: Int
  /// Of a line of standard error in the job's log.
  public var logLine: Int
  /// Of all lines of one attempt's standard error in the job's log.
  public var log: Int
  /// Of a line in `WARREN_REPORT`; a longer one is no report. There is room for the largest result and the largest snapshot,
  /// in a spelling that takes twice as much as their shortest.
  public var reportLine: Int
  /// Of a snapshot, in its shortest spelling.
  public var snapshot: Int

  /// The most of standard output that can be asked for.
  public static let largestOutput = JobLimits.result

  /// Limits; those left out are as they mostly should be.
  public init(
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
