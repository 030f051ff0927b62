/// How the server behaves: the section `server` of the file.
public struct ServerSettings: Sendable, Hashable {
  /// How many workers a job may cost their life before it fails.
  public var poisonLimit = 5

  public init() {}
}
