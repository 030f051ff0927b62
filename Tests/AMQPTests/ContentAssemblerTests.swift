import Testing

@testable import AMQP

@Suite("Putting messages together from frames")
final class ContentAssemblerTests {
  private var assembler = ContentAssembler()
  private let subject = Content.Subject.delivery(
    tag: 1, redelivered: false, exchange: "e", routingKey: "k")
  private let properties = MessageProperties(type: "t")

  private func begin(_ subject: Content.Subject) throws { try assembler.begin(subject) }
  private func header(size: UInt64, properties: MessageProperties) throws -> Content? {
    try assembler.header(size: size, properties: properties)
  }
  private func body(_ fragment: [UInt8]) throws -> Content? {
    try fragment.withUnsafeBytes { try assembler.body($0) }
  }

  @Test("A message without a body is complete with its header")
  func empty() throws {
    try assembler.begin(subject)
    let content = try assembler.header(size: 0, properties: properties)
    #expect(content == Content(subject: subject, message: Message(properties: properties)))
  }

  @Test("A body comes in any number of frames", arguments: [1, 2, 3, 7, 100])
  func fragments(count: Int) throws {
    let body = (0..<300).map { UInt8(truncatingIfNeeded: $0) }
    for _ in 1...2 {
      try assembler.begin(subject)
      #expect(try self.header(size: 300, properties: properties) == nil)
      var content: Content?
      var rest = body[...]
      let size = (300 + count - 1) / count
      while !rest.isEmpty {
        #expect(content == nil)
        content = try self.body(Array(rest.prefix(size)))
        rest = rest.dropFirst(size)
      }
      #expect(content?.message == Message(body: body, properties: properties))
    }
  }

  @Test("An empty body frame changes nothing")
  func emptyFrame() throws {
    try assembler.begin(subject)
    _ = try assembler.header(size: 1, properties: properties)
    #expect(try self.body([]) == nil)
    #expect(try self.body([9])?.message.body == [9])
  }

  @Test("Frames out of order are violations")
  func order() throws {
    #expect(throws: AMQPError.self) { try self.header(size: 0, properties: properties) }
    #expect(throws: AMQPError.self) { try self.body([1]) }
    try assembler.begin(subject)
    #expect(throws: AMQPError.self) { try self.begin(subject) }
    #expect(throws: AMQPError.self) { try self.body([1]) }
    _ = try assembler.header(size: 2, properties: properties)
    #expect(throws: AMQPError.self) { try self.header(size: 2, properties: properties) }
    #expect(throws: AMQPError.self) { try self.begin(subject) }
  }

  @Test("More than was announced is a violation")
  func excess() throws {
    try assembler.begin(subject)
    _ = try assembler.header(size: 2, properties: properties)
    #expect(throws: AMQPError.self) { try self.body([1, 2, 3]) }
  }

  @Test("A size beyond reason is refused, one within reason takes no memory yet")
  func huge() throws {
    try assembler.begin(subject)
    #expect(throws: AMQPError.self) { try self.header(size: .max, properties: properties) }
    assembler = ContentAssembler()
    try begin(subject)
    #expect(try header(size: ContentAssembler.maximumBody, properties: properties) == nil)
    #expect(try body([1]) == nil)
  }
}
