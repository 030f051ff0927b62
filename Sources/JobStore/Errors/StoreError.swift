import GRDB

/// Why the status store could not do what was asked. Nothing of the failed call has been written.
public enum StoreError: Error, Hashable, Sendable {
  /// The file was made by a newer Warren: it has had migrations that this build does not know.
  case newerFile(path: String, found: [String], known: [String])
  /// The file is no SQLite database.
  case notADatabase(path: String)
  /// The file is a SQLite database, but another program's.
  case foreignFile(path: String)
  /// The file is damaged.
  case corrupt(String)
  /// The file, its folder or the file system cannot be written.
  case readOnly(String)
  /// There is no space left.
  case diskFull
  /// Another store, mostly that of another process, has the file open.
  case inUse(path: String, process: String?)
  /// Another program (a `sqlite3` shell, a backup) kept the file locked for too long.
  case busy(String)
  /// The file cannot be opened.
  case cannotOpen(path: String, why: String)
  /// A value is none that the store takes: one out of range, or too large. Trying again is of no use.
  case unfit(String)
  /// The store has been closed.
  case closed
  /// Anything else, in SQLite's words.
  case failed(String)
}

extension StoreError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .newerFile(let path, let found, let known):
      let unknown = Set(found).subtracting(known).sorted().joined(separator: ", ")
      return
        "the status store \(path) was made by a newer Warren (migrations \(unknown) are unknown"
        + " to this one); run that version or a later one, or restore a backup from before"
    case .notADatabase(let path):
      return "\(path) is no SQLite database; name another file, or move this one away"
    case .foreignFile(let path):
      return "\(path) is the database of another program, not a status store of Warren's"
    case .corrupt(let what):
      return "the status store is damaged (\(what)); restore it from a backup"
    case .readOnly(let what):
      return "the status store cannot be written (\(what)); its file and folder must be writable"
    case .diskFull:
      return "there is no space left for the status store"
    case .inUse(let path, let process):
      let holder = process.map { "the process \($0)" } ?? "another process"
      return "\(holder) has the status store \(path) open; only one server can use it at a time"
    case .busy(let what):
      return "the status store is kept locked by another program (\(what))"
    case .cannotOpen(let path, let why):
      return "the status store \(path) cannot be opened: \(why)"
    case .unfit(let what):
      return "the status store does not take a value (\(what))"
    case .closed:
      return "the status store is closed"
    case .failed(let what):
      return "the status store failed: \(what)"
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
