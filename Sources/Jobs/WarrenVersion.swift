/// Which Warren this is.
public enum WarrenVersion {
  /// By Semantic Versioning; the one place where it is written.
  public static let current = "0.1.0"
}

/// The version of the messages between server and workers.
///
/// It is raised with every change that an older reader does not understand: another kind of report, answer or command, or
/// another shape of one. The server reads every earlier version from 3 on, the first that was
/// released; what a worker of a later one reports is kept until a
/// server of that version is there. So servers are upgraded first, and rolled back last.
package enum WireVersion {
  /// The one that this build writes.
  package static let current = 4
}
