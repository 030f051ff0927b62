public import Foundation

/// What travels through the queue of reports.
public enum WorkerMessage: Sendable, Hashable {
  case announcement(WorkerAnnouncement)
  case reports([JobReport])
  /// The worker ends, and has given back what it had.
  case farewell(WorkerID)
  /// The server's own mark: when it comes back to the server, all reports laid in before it have been applied.
  case mark(UUID)
}
