/// Why a snapshot cannot be saved or read.
public enum SnapshotError: Error, Sendable, Hashable, CustomStringConvertible {
  case notEncodable(String)
  case notDecodable(String)
  /// In bytes of JSON.
  case tooLarge(Int, limit: Int)

  public var description: String {
    switch self {
    case .notEncodable(let why): "the snapshot cannot be written as JSON: \(why)"
    case .notDecodable(let why): "the snapshot is another one than is asked for: \(why)"
    case .tooLarge(let size, let limit):
      "the snapshot has \(size) bytes as JSON; a job's snapshot may have \(limit)"
    }
  }
}
