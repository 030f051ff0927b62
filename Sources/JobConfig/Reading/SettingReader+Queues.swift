import Jobs

extension SettingReader {
  /// The built-in queues and those of the file, sorted by name.
  mutating func queues(_ node: SettingNode?) -> [JobQueue] {
    let declared = section(
      node, key: "queues", variable: SettingSection.variable(["queues"]), known: nil)
    var queues = Dictionary(
      JobQueue.builtIn.map { ($0.name, $0.capacity) }, uniquingKeysWith: { first, _ in first })
    var nodes: [JobQueueName: SettingNode] = [:]
    for member in declared.members {
      do {
        let name = try JobQueueName(member.name)
        nodes[name] = member.value
        if queues[name] == nil { queues[name] = 1 }
      } catch {
        note(.file(file, line: member.line, column: member.column), "queues", error.description)
      }
    }
    return queues.sorted { $0.key < $1.key }.map { name, capacity in
      let section = section(
        nodes[name], key: "queues.\(name)",
        variable: SettingSection.variable(["queues", name.rawValue]), known: ["capacity"])
      return JobQueue(
        name: name, capacity: integer(section, "capacity", in: JobQueue.capacities) ?? capacity)
    }
  }
}
