/// How a store works, where tests want it otherwise.
package struct StoreOptions: Sendable {
  /// About how many jobs one transaction may touch; a single call may touch more.
  package var groupLimit: Int
  /// The most pages that the file may have; `nil` for SQLite's own limit.
  package var maximumPages: Int?
  /// How many new jobs may wait to be written.
  package var waitingJobs: Int
  /// About how many bytes they may have.
  package var waitingBytes: Int

  package init(
    groupLimit: Int = 512, maximumPages: Int? = nil, waitingJobs: Int = 50_000,
    waitingBytes: Int = 64 << 20
  ) {
    self.groupLimit = groupLimit
    self.maximumPages = maximumPages
    self.waitingJobs = waitingJobs
    self.waitingBytes = waitingBytes
  }
}
