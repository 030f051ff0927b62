import Foundation
import Jobs

extension SettingReader {
  private static let quotas = ["waiting", "running", "per_minute"]

  /// The section `quotas`: what each tenant may have of jobs, and what single ones may have instead.
  mutating func quotas(_ node: SettingNode?) -> TenantQuotas {
    let general = section(
      node, key: "quotas", variable: SettingSection.variable(["quotas"]),
      known: Self.quotas + ["tenants"])
    var quotas = TenantQuotas(quota(general, otherwise: Quota()))
    let own = section(general["tenants"], key: general.key("tenants"), variable: nil, known: nil)
    for member in own.members {
      let section = section(
        member.value, key: own.key(String(member.name.prefix(100))),
        variable: SettingSection.variable(["quotas", "tenants", member.name]),
        known: Self.quotas)
      let quota = quota(section, otherwise: quotas.standard)
      guard let tenant = UUID(uuidString: member.name) else {
        note(
          .file(file, line: member.line, column: member.column), own.key,
          "'\(member.name.prefix(100))' is no tenant; a tenant is a UUID")
        continue
      }
      guard quotas.tenants.updateValue(quota, forKey: tenant) == nil else {
        note(
          .file(file, line: member.line, column: member.column), own.key,
          "the tenant \(member.name) is there twice")
        continue
      }
    }
    return quotas
  }

  /// - Parameter standard: what counts where nothing is said; 0 is without limit.
  private mutating func quota(_ section: SettingSection, otherwise standard: Quota) -> Quota {
    func limit(_ value: Int?, _ standard: Int?) -> Int? {
      value.map { $0 > 0 ? $0 : nil } ?? standard
    }
    return Quota(
      waiting: limit(integer(section, "waiting", in: 0...1_000_000_000), standard.waiting),
      running: limit(integer(section, "running", in: 0...1_000_000), standard.running),
      perMinute: limit(integer(section, "per_minute", in: 0...1_000_000_000), standard.perMinute))
  }
}
