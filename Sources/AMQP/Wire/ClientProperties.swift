extension ConnectionConfiguration {
  /// What the connection tells the broker of itself. librabbitmq adds
  /// `authentication_failure_close`.
  var clientProperties: FieldTable {
    var properties: FieldTable = [
      "product": .string(product),
      "capabilities": [
        "authentication_failure_close": true,
        "basic.nack": true,
        "connection.blocked": true,
        "consumer_cancel_notify": true,
        "exchange_exchange_bindings": true,
        "publisher_confirms": true,
      ],
    ]
    if !connectionName.isEmpty { properties["connection_name"] = .string(connectionName) }
    return properties
  }
}
