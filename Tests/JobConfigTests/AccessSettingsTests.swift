import Foundation
import JobConfig
import Jobs
import Testing

@Suite("The section access")
struct AccessSettingsTests {
  private static let tenant = UUID()
  private static let other = UUID()

  @Test("says what users of the broker may do")
  func users() throws {
    let access = try parsed(
      """
      access:
        broker:
          shop: {tenants: \(Self.tenant)}
          gateway: {tenants: [\(Self.tenant), \(Self.other.uuidString.lowercased())]}
          office: {tenants: any, worker: true}
          workers: {worker: true}
          nobody:
      """
    ).access
    #expect(
      access.users == [
        "shop": .init(tenants: .only([Self.tenant])),
        "gateway": .init(tenants: .only([Self.tenant, Self.other])),
        "office": .init(tenants: .any, isWorker: true), "workers": .init(isWorker: true),
        "nobody": .init(),
      ])
  }

  @Test("leaves all to the broker where it is not there, and nobody where it is empty")
  func without() throws {
    #expect(try parsed("").access.users == nil)
    #expect(try parsed("access:").access.users == nil)
    #expect(try parsed("access: {broker: {}}").access.users == [:])
    #expect(try parsed("").identifies == false)
    #expect(try parsed("", ["WARREN_BROKER_IDENTIFY": "true"]).identifies)
  }

  @Test("says what is wrong with it")
  func wrong() {
    #expect(
      problems("access: {broker: {shop: {tenants: [all, 7], role: x}}}") == [
        "w.yaml:1:45: access.broker.shop.role: there is no such key; known are tenants, worker",
        "w.yaml:1:36: access.broker.shop.tenants: must be any, a tenant's UUID, or a list of UUIDs,"
          + " not 'all'",
        "w.yaml:1:41: access.broker.shop.tenants: must be any, a tenant's UUID, or a list of UUIDs,"
          + " not '7'",
      ])
  }
}
