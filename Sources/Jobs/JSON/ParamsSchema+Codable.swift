extension ParamsSchema: Codable {
  private enum CodingKeys: String, CodingKey {
    case type, properties, items
    case additionalProperties
    case defaultValue = "default"
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    if let one = try? container.decode(JSONKind.self, forKey: .type) {
      kinds = [one]
    } else {
      kinds = try container.decodeIfPresent(Set<JSONKind>.self, forKey: .type) ?? []
    }
    properties = try container.decodeIfPresent([String: ParamsSchema].self, forKey: .properties)
    items = try container.decodeIfPresent(ParamsSchema.self, forKey: .items).map { [$0] } ?? []
    // Not decodeIfPresent: a default of null is a default.
    defaultValue =
      container.contains(.defaultValue)
      ? try container.decode(JSONValue.self, forKey: .defaultValue) : nil
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    if let only = kinds.first, kinds.count == 1 {
      try container.encode(only, forKey: .type)
    } else if !kinds.isEmpty {
      try container.encode(kinds.sorted { $0.rawValue < $1.rawValue }, forKey: .type)
    }
    if let properties {
      try container.encode(properties, forKey: .properties)
      try container.encode(false, forKey: .additionalProperties)
    }
    try container.encodeIfPresent(items.first, forKey: .items)
    if let defaultValue { try container.encode(defaultValue, forKey: .defaultValue) }
  }
}
