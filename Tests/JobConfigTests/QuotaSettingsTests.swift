import Foundation
import JobConfig
import Jobs
import Testing

@Suite("The section quotas")
struct QuotaSettingsTests {
  private static let tenant = "5F0C3A52-6F0E-4D0B-9A57-2F3B3F0F8D11"
  private static let text = """
    quotas:
      waiting: 10000
      running: 20
      tenants:
        5f0c3a52-6f0e-4d0b-9a57-2f3b3f0f8d11: {running: 100, waiting: 0}
    """

  @Test("gives all tenants quotas, and single ones their own")
  func quotas() throws {
    let quotas = try parsed(Self.text).quotas
    #expect(quotas[UUID()] == Quota(waiting: 10_000, running: 20))
    #expect(quotas[try #require(UUID(uuidString: Self.tenant))] == Quota(running: 100))
    #expect(try parsed("").quotas == TenantQuotas())
    #expect(try parsed("quotas: {waiting: 0}").quotas == TenantQuotas())
  }

  @Test("gives way to the environment")
  func environment() throws {
    let quotas = try parsed(
      Self.text,
      [
        "WARREN_QUOTAS_RUNNING": "0", "WARREN_QUOTAS_PER_MINUTE": "60",
        "WARREN_QUOTAS_TENANTS_5F0C3A52_6F0E_4D0B_9A57_2F3B3F0F8D11_PER_MINUTE": "600",
      ]
    ).quotas
    #expect(quotas.standard == Quota(waiting: 10_000, perMinute: 60))
    #expect(
      quotas[try #require(UUID(uuidString: Self.tenant))] == Quota(running: 100, perMinute: 600))
  }

  @Test(
    "says what is wrong with it",
    arguments: [
      ("quotas: 5", "w.yaml:1:9: quotas: must be a map, not '5'"),
      (
        "quotas: {runing: 5}",
        "w.yaml:1:10: quotas.runing: there is no such key; did you mean running?"
      ),
      (
        "quotas: {running: -1}",
        "w.yaml:1:19: quotas.running: must be an integer from 0 to 1000000, not '-1'"
      ),
      (
        "quotas: {tenants: {shop: {running: 1}}}",
        "w.yaml:1:20: quotas.tenants: 'shop' is no tenant; a tenant is a UUID"
      ),
    ])
  func wrong(text: String, problem: String) {
    #expect(problems(text) == [problem])
  }
}
