import Jobs

extension SettingReader {
  mutating func groups(_ node: SettingNode?, queues: [JobQueueName]) -> DeclaredGroups {
    let declared = section(
      node, key: "groups", variable: SettingSection.variable(["groups"]), known: nil)
    var groups = DeclaredGroups()
    for member in declared.members {
      groups.names.append(member.name)
      let section = section(
        member.value, key: "groups.\(member.name.prefix(100))",
        variable: SettingSection.variable(["groups", member.name]),
        known: ["queue", "description"])
      let description = text(section, "description", "a text") ?? ""
      let queue = queue(section, among: queues)
      do {
        _ = try JobName.validate(member.name, of: "job group")
        if let queue {
          groups.usable[member.name] = try JobGroup(
            member.name, queue: queue, description: description)
        }
      } catch {
        note(.file(file, line: member.line, column: member.column), "groups", error.description)
      }
    }
    return groups
  }

  private mutating func queue(
    _ section: SettingSection, among queues: [JobQueueName]
  ) -> JobQueueName? {
    guard has(section, "queue") else {
      note(
        section.place(in: file), section.key,
        "the key queue is missing: the job queue that its jobs wait in")
      return nil
    }
    guard let name = text(section, "queue", "the name of a job queue") else { return nil }
    guard let queue = queues.first(where: { $0.rawValue == name }) else {
      note(
        section, "queue",
        "there is no job queue '\(name.prefix(100))'; "
          + Spelling.hint(for: name, among: queues.map(\.rawValue)))
      return nil
    }
    return queue
  }
}
