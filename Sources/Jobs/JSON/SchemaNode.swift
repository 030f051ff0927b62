/// Where the containers of one ``SchemaEncoder`` write: `Encoder` hands out containers as copies, so that they need a
/// place in common. It never leaves the call that made it.
final class SchemaNode {
  var schema = ParamsSchema.anything

  func becomeObject() {
    schema.kinds = [.object]
    if schema.properties == nil { schema.properties = [:] }
  }

  func set(_ property: ParamsSchema, _ name: String, optional: Bool) {
    becomeObject()
    var property = property
    if optional, !property.kinds.isEmpty { property.kinds.insert(.null) }
    schema.properties?[name] = property
  }
}
