public import Foundation
public struct IdempotencyKey: Sendable, Hashable, ExpressibleByStringLiteral {
  public let uuid: UUID
  public init(uuid: UUID) { self.uuid = uuid }
  public init(_ t: String) throws { uuid = UUID() }
  public init(stringLiteral: String) { uuid = UUID() }
  package func derived(_ t: String) -> IdempotencyKey { self }
}
