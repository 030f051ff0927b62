import Jobs

extension SettingReader {
  private static let statuses = RetentionPolicy.statuses.map(\.rawValue)

  /// - Parameter types: those that the file declares; workers may announce others.
  mutating func retention(_ node: SettingNode?, types: [JobTypeID]) -> RetentionPolicy {
    var policy = RetentionPolicy()
    let general = section(
      node, key: "retention", variable: SettingSection.variable(["retention"]),
      known: Self.statuses + ["types"])
    for (status, age) in ages(general) { policy.keep(status, for: age) }
    let own = section(general["types"], key: general.key("types"), variable: nil, known: nil)
    for member in own.members {
      let section = section(
        member.value, key: own.key(String(member.name.prefix(100))),
        variable: SettingSection.variable(["retention", "types", member.name]),
        known: Self.statuses)
      let ages = ages(section)
      do {
        let type = try JobTypeID(member.name)
        for (status, age) in ages { policy.keep(status, for: age, type: type) }
        warnOfMisspelling(type, own, types)
      } catch {
        note(.file(file, line: member.line, column: member.column), own.key, error.description)
      }
    }
    return policy
  }

  private mutating func ages(_ section: SettingSection) -> [(JobStatus, Duration)] {
    RetentionPolicy.statuses.compactMap { status in
      guard let age = duration(section, status.rawValue) else { return nil }
      guard age == .zero || age >= .seconds(60) else {
        note(section, status.rawValue, "must be at least 1m, or 0s, which keeps for ever")
        return nil
      }
      return (status, age)
    }
  }

  private mutating func warnOfMisspelling(
    _ type: JobTypeID, _ section: SettingSection, _ types: [JobTypeID]
  ) {
    guard !types.contains(type),
      let meant = Spelling.near(type.description, among: types.map(\.description))
    else { return }
    warn(
      section, type.description, "no type of this file has this name; did you mean \(meant)?")
  }
}
