/// The params of a job type that takes none.
public struct NoParams: Codable, Sendable, Hashable {
  /// No params.
  public init() {}
}
