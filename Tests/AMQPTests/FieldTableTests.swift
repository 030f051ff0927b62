import Testing

@testable import AMQP

@Suite("Field tables")
struct FieldTableTests {
  @Test("Equality does not depend on order, but on every value")
  func equality() {
    let table: FieldTable = ["a": 1, "b": "x"]
    #expect(table == ["b": "x", "a": 1])
    #expect(table != ["a": 1, "b": "y"])
    #expect(table != ["a": .int32(1), "b": "x"])
    #expect(table != ["a": 1])
    #expect(Set([table]).contains(["b": "x", "a": 1]))
  }

  @Test("An entry is replaced in place, and removed by nil")
  func mutation() {
    var table: FieldTable = ["a": 1, "b": 2, "a": 3]
    #expect(table.names == ["a", "b"])
    #expect(table["a"] == 3)
    table["b"] = nil
    table["c"] = true
    #expect(table.names == ["a", "c"])
    #expect(table["b"] == nil)
  }

  @Test("Values say what they are")
  func accessors() {
    #expect(FieldValue.string("x").stringValue == "x")
    #expect(FieldValue.int8(1).stringValue == nil)
    #expect(FieldValue.bool(true).boolValue == true)
    let integers: [FieldValue] = [
      .int8(7), .uint8(7), .int16(7), .uint16(7), .int32(7), .uint32(7), .int64(7), .uint64(7),
      .timestamp(7),
    ]
    #expect(integers.allSatisfy { $0.integerValue == 7 })
    #expect(FieldValue.uint64(.max).integerValue == nil)
    #expect(FieldValue.double(7).integerValue == nil)
  }

  @Test("Sizes are those of the wire")
  func size() {
    // 4 length + (1 + 1 name + 1 kind + 8) + (1 + 1 name + 1 kind + 4 + 3).
    #expect((["a": 1, "b": "abc"] as FieldTable).encodedSize == 4 + 11 + 10)
    #expect(FieldValue.array([.void, .bool(true)]).encodedSize == 5 + 1 + 2)
    #expect(FieldValue.table(["n": .decimal(scale: 1, value: 2)]).encodedSize == 1 + 4 + 2 + 6)
  }

  @Test("What does not fit into a frame, or into a short string, is refused before it is sent")
  func limits() {
    let long = String(repeating: "ä", count: 128)
    #expect(throws: AMQPError.self) {
      try MessageProperties(contentType: long).checkedSize()
    }
    #expect(throws: AMQPError.self) {
      try MessageProperties(headers: ["x": [long: 1]]).checkedSize()
    }
    let headers: FieldTable = ["big": .string(String(repeating: "x", count: 5_000))]
    let large = Publication(
      Message(properties: MessageProperties(headers: headers)), exchange: "", routingKey: "")
    #expect(throws: AMQPError.self) { try large.checkedSize(frameMax: 4_096) }
    #expect(throws: Never.self) { try large.checkedSize(frameMax: 8_192) }
    #expect(throws: AMQPError.self) {
      try Publication(Message(), exchange: "", routingKey: long).checkedSize(frameMax: 131_072)
    }
  }
}
