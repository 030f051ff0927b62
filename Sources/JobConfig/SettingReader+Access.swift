import Foundation
import Jobs

extension SettingReader {
  private static let tenantRule = "any, a tenant's UUID, or a list of UUIDs"

  /// The section `access`: who may say what. Without `access.broker` whoever reaches the broker may say all of it.
  mutating func access(_ node: SettingNode?) -> BrokerAccess {
    let section = section(node, key: "access", variable: nil, known: ["broker"])
    guard let broker = section["broker"], !broker.isNull else { return BrokerAccess() }
    let users = self.section(broker, key: section.key("broker"), variable: nil, known: nil)
    var access = BrokerAccess(users: [:])
    for member in users.members {
      let user = self.section(
        member.value, key: users.key(String(member.name.prefix(100))), variable: nil,
        known: ["tenants", "worker"])
      access.users?[member.name] = BrokerAccess.Rights(
        tenants: tenants(user), isWorker: flag(user, "worker") ?? false)
    }
    return access
  }

  private mutating func tenants(_ section: SettingSection) -> BrokerAccess.Tenants {
    guard let node = section["tenants"], !node.isNull else { return .only([]) }
    if case .scalar(let scalar) = node.content, scalar.text == "any" { return .any }
    let elements: [SettingNode] =
      switch node.content {
      case .list(let elements): elements
      default: [node]
      }
    var tenants: Set<UUID> = []
    for element in elements {
      guard case .scalar(let scalar) = element.content, let tenant = UUID(uuidString: scalar.text)
      else {
        note(
          at: element, section.key("tenants"),
          "must be \(Self.tenantRule), not \(element.shown)")
        continue
      }
      tenants.insert(tenant)
    }
    return .only(tenants)
  }
}
