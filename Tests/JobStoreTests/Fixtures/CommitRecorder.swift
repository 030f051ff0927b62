import JobStore
import Synchronization

/// Notes what a store's `onCommit` is told.
final class CommitRecorder: Sendable {
  private let noted = Mutex<[[JobChange]]>([])

  /// The changes of each commit, in the order in which they were told.
  var commits: [[JobChange]] { noted.withLock { $0 } }
  var changes: [JobChange] { commits.flatMap { $0 } }

  func note(_ changes: [JobChange]) {
    noted.withLock { $0.append(changes) }
  }

  func clear() {
    noted.withLock { $0 = [] }
  }
}
