/// Variables that begin with `WARREN_` and are no settings.
public enum ForeignVariables {
  /// What the command line reads besides the configuration.
  public static let commandLine = ["WARREN_SERVER", "WARREN_TOKEN", "WARREN_TOKEN_FILE"]

  /// What else of Warren's reads or sets variables: the worker for the programs that it runs, where `warren` may be called
  /// again, and the scripts in `compose`.
  static let others: Set<String> = [
    "WARREN_JOB_ID", "WARREN_JOB_TYPE", "WARREN_ATTEMPT", "WARREN_RETRIES", "WARREN_TENANT_ID",
    "WARREN_USER_ID", "WARREN_REPORT", "WARREN_SNAPSHOT", "WARREN_SHEPHERD",
    "WARREN_AMQP_PORT", "WARREN_MANAGEMENT_PORT", "WARREN_USER", "WARREN_PASSWORD",
  ]

  /// Whether it is one. `WARREN_TEST_…` belongs to the tests.
  static func contains(_ name: String, value: String) -> Bool {
    others.contains(name) || commandLine.contains(name) || name.hasPrefix("WARREN_TEST_")
      || isOfKubernetes(name, value: value)
  }

  /// Kubernetes describes each service of a namespace to all its pods in variables that begin with the service's name.
  private static func isOfKubernetes(_ name: String, value: String) -> Bool {
    name.contains(/_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$/)
      || name.contains(/_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/)
      || (name.hasSuffix("_PORT") && value.contains("://"))
  }

  /// The variable of the command line that somebody meant who has set another one, if any.
  public static func misspelling(
    in environment: [String: String]
  ) -> (variable: String, meant: String)? {
    for variable in environment.keys.sorted()
    where variable.hasPrefix(prefix) && !commandLine.contains(variable)
      && !contains(variable, value: environment[variable] ?? "")
    {
      let meant = Spelling.near(
        String(variable.dropFirst(prefix.count)),
        among: commandLine.map { String($0.dropFirst(prefix.count)) })
      if let meant { return (variable, prefix + meant) }
    }
    return nil
  }

  static let prefix = "WARREN_"
}

extension SettingReader {
  /// Notes the variables that look like settings and are none, once everything has been read: a slip of the pen must not
  /// silently leave a default in place.
  mutating func checkVariables() {
    // Where the file is wrong, its queues, groups and types may not all have been read.
    let dynamic = [
      "WARREN_QUEUES_", "WARREN_GROUPS_", "WARREN_TYPES_", "WARREN_RETENTION_TYPES_",
    ]
    let isWhole = problems.isEmpty
    for variable in environment.keys.sorted()
    where variable.hasPrefix(ForeignVariables.prefix) && !variables.contains(variable)
      && !ForeignVariables.contains(variable, value: environment[variable] ?? "")
      && (isWhole || !dynamic.contains { variable.hasPrefix($0) })
    {
      let known = variables.union(ForeignVariables.commandLine).sorted()
        .map { String($0.dropFirst(ForeignVariables.prefix.count)) }
      let word = String(variable.dropFirst(ForeignVariables.prefix.count))
      let hint =
        Spelling.suggestion(for: word, among: known)
        .map { "did you mean \(ForeignVariables.prefix)\($0)?" }
        ?? "a setting's variable is its path in the file, as in WARREN_HTTP_PORT"
      note(.environment(variable: variable), nil, "there is no such setting; \(hint)")
    }
  }
}
