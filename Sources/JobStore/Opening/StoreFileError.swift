import GRDB
package import Jobs

/// Why a store's file cannot be used.
package enum StoreFileError: Error, Hashable, Sendable {
  /// The file was made by a newer Warren: it has had migrations that this build does not know.
  case newerFile(path: String, found: [String], known: [String])
  /// The file was made by a Warren from before its first release, whose schema is not read any more.
  case earlierFile(path: String)
  /// The file is no SQLite database.
  case notADatabase(path: String)
  /// The file is a SQLite database, but another program's.
  case foreignFile(path: String)
  /// Another store, mostly that of another process, has the file open.
  case inUse(path: String, process: String?)
  /// The file cannot be opened.
  case cannotOpen(path: String, why: String)
  /// It is open, and cannot be used.
  case store(StoreError)
}

extension StoreFileError {
  /// Whether trying again would come to the same.
  package var isForGood: Bool {
    switch self {
    case .newerFile, .earlierFile, .notADatabase, .foreignFile: true
    // Another process may end; a folder may be mounted, a disk be emptied.
    case .inUse, .cannotOpen, .store: false
    }
  }
}

extension StoreFileError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .newerFile(let path, let found, let known):
      let unknown = Set(found).subtracting(known).sorted().joined(separator: ", ")
      return
        "the status store \(path) was made by a newer Warren (migrations \(unknown) are unknown"
        + " to this one); run that version or a later one, or restore a backup from before"
    case .earlierFile(let path):
      return
        "the status store \(path) was made by a Warren from before the first release, which this"
        + " one does not read; let its jobs end with that version, then move the file away or name"
        + " another one"
    case .notADatabase(let path):
      return "\(path) is no SQLite database; name another file, or move this one away"
    case .foreignFile(let path):
      return "\(path) is the database of another program, not a status store of Warren's"
    case .inUse(let path, let process):
      let holder = process.map { "the process \($0)" } ?? "another process"
      return "\(holder) has the status store \(path) open; only one server can use it at a time"
    case .cannotOpen(let path, let why):
      return "the status store \(path) cannot be opened: \(why)"
    case .store(let error):
      return error.description
    }
  }
}

extension StoreError {
  /// Translates what GRDB throws.
  init(_ error: any Error) {
    switch error {
    case let error as StoreError: self = error
    case let error as DatabaseError: self.init(sqlite: error)
    case let error as UnreadableRow: self = .corrupt(error.description)
    case let error as RowDecodingError: self = .corrupt(error.description)
    default: self = .failed(String(describing: error))
    }
  }

  private init(sqlite error: DatabaseError) {
    // Without the statement's arguments: they hold what the params hold.
    let message =
      "\(error.message ?? "no message") (SQLite code \(error.extendedResultCode.rawValue))"
    switch error.resultCode {
    case .SQLITE_FULL: self = .diskFull
    case .SQLITE_READONLY, .SQLITE_PERM: self = .readOnly(message)
    case .SQLITE_CORRUPT, .SQLITE_NOTADB: self = .corrupt(message)
    case .SQLITE_BUSY, .SQLITE_LOCKED: self = .busy(message)
    case .SQLITE_CONSTRAINT, .SQLITE_TOOBIG, .SQLITE_MISMATCH: self = .unfit(message)
    default: self = .failed(message)
    }
  }
}

/// Runs a step that may throw anything, and translates what it throws.
func translatingErrors<Answer>(_ step: () throws -> Answer) throws(StoreError) -> Answer {
  do {
    return try step()
  } catch {
    throw StoreError(error)
  }
}
