import Testing

@testable import Jobs

@Suite("What travels with a job besides its params")
struct CarriedContextTests {
  private static let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

  @Test("is taken as it is where it keeps to the limits")
  func taken() throws {
    let given = [
      "request-id": "17", "a_b.c": "", "traceparent": Self.trace, "tracestate": "a=1,b=2",
      "baggage": "user=7;p, lang=de", String(repeating: "n", count: 64): "é\n\u{0}",
      "long": String(repeating: "x", count: 4096),
    ]
    #expect(try CarriedContext.checked(given) == given)
    #expect(try CarriedContext.checked([:]) == [:])
  }

  @Test(
    "is refused for a name that is none",
    arguments: ["", "Request-ID", "a b", "é", "a/b", "a=b", String(repeating: "n", count: 65)])
  func names(name: String) {
    let error = #expect(throws: CarriedContextError.self) {
      try CarriedContext.checked([name: "x"])
    }
    #expect(error?.description.contains("is no name of a context entry") == true)
  }

  @Test("is refused where it is too long, or too much")
  func limits() throws {
    func refusal(_ context: [String: String]) -> String? {
      #expect(throws: CarriedContextError.self) { try CarriedContext.checked(context) }?.description
    }
    #expect(refusal(["a": String(repeating: "x", count: 4097)])?.contains("4096") == true)
    let many = Dictionary(uniqueKeysWithValues: (0..<33).map { ("n\($0)", "x") })
    #expect(refusal(many)?.contains("33 entries; 32") == true)
    // With their names.
    var large = ["a": 4096, "b": 4094].mapValues { String(repeating: "x", count: $0) }
    #expect(try CarriedContext.checked(large) == large)
    large["b"]?.append("x")
    #expect(refusal(large)?.contains("8193 bytes") == true)
  }

  @Test(
    "has no traceparent that is malformed, nor the state of one",
    arguments: [
      "", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
      "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
      "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
      "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
      "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
      "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
      "0é-bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      String(repeating: "0", count: 100_000),
    ])
  func malformed(traceparent: String) throws {
    let given = [
      "traceparent": traceparent, "tracestate": "a=1", "baggage": "b=2", "request-id": "17",
    ]
    #expect(try CarriedContext.checked(given) == ["baggage": "b=2", "request-id": "17"])
  }

  @Test("has the traceparent of a later version, with what it has more")
  func laterVersion() throws {
    for text in [
      "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes",
    ] {
      #expect(try CarriedContext.checked(["traceparent": text]) == ["traceparent": text])
    }
  }

  @Test("leaves out a state and a baggage that are no header, or too long")
  func otherHeaders() throws {
    for wrong in ["", "a=\u{1}", "a=é", "a\n", String(repeating: "x", count: 4097)] {
      let given = ["traceparent": Self.trace, "tracestate": wrong, "baggage": wrong]
      #expect(try CarriedContext.checked(given) == ["traceparent": Self.trace])
    }
  }

  @Test("leaves out of the trace what there is no room for: the baggage first, the parent last")
  func room() throws {
    let long = String(repeating: "x", count: 4000)
    var given = ["traceparent": Self.trace, "tracestate": long, "baggage": long, "a": long]
    #expect(try Set(CarriedContext.checked(given).keys) == ["a", "traceparent", "tracestate"])
    given["b"] = long
    #expect(try Set(CarriedContext.checked(given).keys) == ["a", "b", "traceparent"])
    given["b"] = String(repeating: "x", count: 4096)
    given["a"] = String(repeating: "x", count: 4090)
    #expect(try Set(CarriedContext.checked(given).keys) == ["a", "b"])
    let many = Dictionary(uniqueKeysWithValues: (0..<31).map { ("n\($0)", "x") })
    let kept = try CarriedContext.checked(
      many.merging(["traceparent": Self.trace, "baggage": "b=1"]) { $1 })
    #expect(kept.count == 32)
    #expect(kept["traceparent"] == Self.trace)
  }
}
