/// What is published and delivered: properties and a body.
public struct Message: Sendable, Hashable {
  /// The properties, headers among them.
  public var properties: MessageProperties
  /// The body, opaque to the broker.
  public var body: [UInt8]

  /// A message of that body and those properties.
  public init(body: [UInt8] = [], properties: MessageProperties = MessageProperties()) {
    self.properties = properties
    self.body = body
  }

  /// A message whose body is the UTF-8 of `text`.
  public init(text: String, properties: MessageProperties = MessageProperties()) {
    self.init(body: Array(text.utf8), properties: properties)
  }
}
