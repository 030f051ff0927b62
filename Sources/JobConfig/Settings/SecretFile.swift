/// A file that holds one secret and nothing else, as systemd, Docker and Kubernetes hand them over.
public enum SecretFile {
  /// The largest, in bytes.
  public static let maximumSize = 4096

  /// The secret, without the line's end that editors write.
  ///
  /// - Throws: ``ConfigurationError`` that names the file, and never what is in it.
  public static func read(_ path: String) throws(ConfigurationError) -> String {
    let name = "the file \(path)"
    var secret = Substring(
      try WarrenConfiguration.text(of: path, limit: maximumSize, calling: name))
    if secret.last?.isNewline == true { secret.removeLast() }
    guard !secret.isEmpty else {
      throw ConfigurationError(file: path, "\(name) is empty; it has to hold the secret")
    }
    guard !secret.contains(where: \.isNewline), !secret.utf8.contains(0) else {
      throw ConfigurationError(
        file: path, "\(name) has more than one line; it has to hold the secret alone")
    }
    return String(secret)
  }
}
