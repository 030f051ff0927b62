/// Why the store of jobs could not do what was asked. Nothing of the failed call has been written.
public enum StoreError: Error, Hashable, Sendable {
  /// What is stored is damaged.
  case corrupt(String)
  /// The store cannot be written.
  case readOnly(String)
  /// There is no space left.
  case diskFull
  /// Another program keeps the store locked for too long.
  case busy(String)
  /// A value is none that the store takes: one out of range, or too large. Trying again is of no use.
  case unfit(String)
  /// Too much waits to be written already. Trying again in a moment is of use.
  case overloaded
  /// The store has been closed.
  case closed
  /// Anything else, in the store's own words.
  case failed(String)
}

extension StoreError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .corrupt(let what):
      "the status store is damaged (\(what)); restore it from a backup"
    case .readOnly(let what):
      "the status store cannot be written (\(what)); its file and folder must be writable"
    case .diskFull:
      "there is no space left for the status store"
    case .busy(let what):
      "the status store is kept locked by another program (\(what))"
    case .unfit(let what):
      "the status store does not take a value (\(what))"
    case .overloaded:
      "too much waits to be written into the status store; try again in a moment"
    case .closed:
      "the status store is closed"
    case .failed(let what):
      "the status store failed: \(what)"
    }
  }
}
