public import Jobs

/// A job type whose work is done by a program: an element of `types` in the file.
public struct CommandTypeConfiguration: Sendable, Hashable {
  public let group: JobGroup
  /// What the server and the producers know of it.
  public let description: JobTypeDescription
  /// The program and its arguments, with their placeholders; never empty.
  public let command: [String]
  /// How long the program may go on after SIGTERM, before SIGKILL.
  public let grace: Duration
  /// Where the program starts; `nil` is where the worker was started.
  public let workingDirectory: String?
  /// What the program's environment has besides the worker's own.
  public let environment: [String: String]
  /// How much of standard output becomes the result.
  public let maxOutputBytes: Int

  public init(
    group: JobGroup, description: JobTypeDescription, command: [String],
    grace: Duration = .seconds(5), workingDirectory: String? = nil,
    environment: [String: String] = [:], maxOutputBytes: Int = 64 << 10
  ) {
    self.group = group
    self.description = description
    self.command = command
    self.grace = grace
    self.workingDirectory = workingDirectory
    self.environment = environment
    self.maxOutputBytes = maxOutputBytes
  }
}
