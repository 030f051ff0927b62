import Foundation
import Jobs
import Testing

@Suite("Who may say what over the broker")
struct BrokerAccessTests {
  private static let (first, second, stranger) = (UUID(), UUID(), UUID())
  private let access = BrokerAccess(users: [
    "one": .init(tenants: .only([first])), "two": .init(tenants: .only([first, second])),
    "any": .init(tenants: .any), "worker": .init(isWorker: true),
  ])

  @Test(
    "is believed of a user who speaks for the tenant",
    arguments: [
      ("one", first, first), ("one", UUID.zero, first), ("two", second, second),
      ("any", stranger, stranger), ("any", UUID.zero, UUID.zero),
    ])
  func believed(_ user: String, _ named: UUID, _ tenant: UUID) throws {
    #expect(try access.tenant(named, by: user) == tenant)
  }

  @Test(
    "is refused of everybody else, with the reason",
    arguments: [
      ("one", second, "may not speak for the tenant"), ("two", UUID.zero, "name one in the header"),
      ("two", stranger, "may not speak for the tenant"), ("worker", first, "may neither submit"),
      ("who", first, "is not known"), (nil, first, "does not say who sends it"),
    ] as [(String?, UUID, String)])
  func refused(_ user: String?, _ named: UUID, _ why: String) {
    let error = #expect(throws: BrokerAccessError.self) { try access.tenant(named, by: user) }
    #expect(error?.description.contains(why) == true, "\(error?.description ?? "")")
  }

  @Test("is believed of workers alone")
  func workers() throws {
    try access.checkWorker("worker")
    for user in ["one", "any", "who", nil] {
      #expect(throws: BrokerAccessError.self) { try access.checkWorker(user) }
    }
  }

  @Test("is the broker's affair where nothing is said of it")
  func open() throws {
    let open = BrokerAccess()
    #expect(try open.tenant(Self.first, by: nil) == Self.first)
    #expect(try open.tenant(.zero, by: "anybody") == .zero)
    try open.checkWorker(nil)
  }
}
