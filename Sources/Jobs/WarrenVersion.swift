/// Which Warren this is.
public enum WarrenVersion {
  /// By Semantic Versioning; the one place where it is written.
  public static let current = "0.1.0"
}
