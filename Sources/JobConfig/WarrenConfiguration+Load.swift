import Foundation

extension WarrenConfiguration {
  /// The largest file that is read, in bytes.
  public static let maximumFileSize = 1 << 20

  /// Reads a configuration file, with the environment's overrides.
  ///
  /// - Parameters:
  ///   - path: the YAML file; `nil` takes the defaults and the environment.
  ///   - environment: the process's variables. One of `WARREN_…` that nothing reads is a problem, as a key is that there
  ///     is not.
  ///   - checks: what others have to say about the broker's URL and the commands.
  /// - Throws: ``ConfigurationError`` with everything that is wrong.
  public static func load(
    path: String?, environment: [String: String],
    checks: ConfigurationChecks = ConfigurationChecks()
  ) throws(ConfigurationError) -> WarrenConfiguration {
    guard let path else {
      return try parse("", file: "", environment: environment, checks: checks)
    }
    return try parse(
      try text(of: path, limit: maximumFileSize, calling: "the file"), file: path,
      environment: environment, checks: checks)
  }

  /// Reads a configuration from the text of a file; otherwise as ``load(path:environment:checks:)``.
  ///
  /// - Parameter file: what messages call the file.
  public static func parse(
    _ text: String, file: String, environment: [String: String],
    checks: ConfigurationChecks = ConfigurationChecks()
  ) throws(ConfigurationError) -> WarrenConfiguration {
    let document = try YAMLDocument.parse(text, file: file)
    var reader = SettingReader(file: file, environment: environment)
    var configuration = reader.configuration(document, checks: checks)
    reader.checkVariables()
    guard reader.problems.isEmpty else { throw ConfigurationError(problems: reader.problems) }
    configuration.warnings = reader.warnings
    return configuration
  }

  /// The text of a file.
  ///
  /// - Parameters:
  ///   - limit: how many bytes it may have.
  ///   - name: what messages call it.
  static func text(
    of path: String, limit: Int, calling name: String
  ) throws(ConfigurationError) -> String {
    let bytes: Data
    do {
      let handle = try FileHandle(forReadingFrom: URL(filePath: path))
      defer { try? handle.close() }
      // One byte more than allowed tells a file that is too large, whatever its kind.
      bytes = try handle.read(upToCount: limit + 1) ?? Data()
    } catch {
      throw ConfigurationError(file: path, "\(name) cannot be read: \(reason(error))")
    }
    guard bytes.count <= limit else {
      throw ConfigurationError(file: path, "\(name) has more than \(limit) bytes")
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw ConfigurationError(file: path, "\(name) is not UTF-8 text")
    }
    return text
  }

  /// What the system says of a file, without Foundation's wrapping.
  private static func reason(_ error: any Error) -> String {
    if let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError,
      underlying.domain == NSPOSIXErrorDomain
    {
      return String(cString: strerror(Int32(clamping: underlying.code)))
    }
    return (error as NSError).localizedDescription
  }
}
