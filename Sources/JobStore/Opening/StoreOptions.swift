/// What the store's owner never needs to set, and tests do.
package struct StoreOptions: Sendable {
  /// How many jobs one transaction of several callers holds at most; one call alone is never divided.
  ///
  /// It bounds how long the first caller of a group waits for the others' work.
  package var groupLimit: Int
  /// The largest size of the file, in pages of 4 KiB: past it, SQLite answers as on a full disk.
  package var maximumPages: Int?

  package init(groupLimit: Int = 512, maximumPages: Int? = nil) {
    self.groupLimit = groupLimit
    self.maximumPages = maximumPages
  }
}
