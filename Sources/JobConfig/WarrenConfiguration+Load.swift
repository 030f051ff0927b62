import Foundation

extension WarrenConfiguration {
  /// The largest file that is read, in bytes.
  public static let maximumFileSize = 1 << 20

  /// Reads a configuration file, with the environment's overrides.
  ///
  /// - Parameters:
  ///   - path: the YAML file; `nil` takes the defaults and the environment.
  ///   - environment: the process's variables; those that name no setting are left alone.
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
      try text(of: path), file: path, environment: environment, checks: checks)
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
    let configuration = reader.configuration(document, checks: checks)
    guard reader.problems.isEmpty else { throw ConfigurationError(problems: reader.problems) }
    return configuration
  }

  private static func text(of path: String) throws(ConfigurationError) -> String {
    let bytes: Data
    do {
      let handle = try FileHandle(forReadingFrom: URL(filePath: path))
      defer { try? handle.close() }
      // One byte more than allowed tells a file that is too large, whatever its kind.
      bytes = try handle.read(upToCount: maximumFileSize + 1) ?? Data()
    } catch {
      throw ConfigurationError(file: path, "the file cannot be read: \(reason(error))")
    }
    guard bytes.count <= maximumFileSize else {
      throw ConfigurationError(file: path, "the file has more than \(maximumFileSize) bytes")
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw ConfigurationError(file: path, "the file is not UTF-8 text")
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
