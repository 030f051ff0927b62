import Testing

@testable import JobWorker

@Suite struct OutputBufferTests {
  /// Feeds the same bytes in every chunk size, since no reader can choose where chunks end.
  private static let chunkSizes = [1, 2, 3, 7, 1000]

  private func chunks(_ text: String, _ size: Int) -> [ArraySlice<UInt8>] {
    let bytes = Array(text.utf8)
    return stride(from: 0, to: bytes.count, by: size).map {
      bytes[$0..<min($0 + size, bytes.count)]
    }
  }

  @Test(arguments: chunkSizes) func linesAreCutAtNewlines(size: Int) {
    var splitter = LineSplitter(limit: 100)
    let lines = chunks("one\n\nthree é\nlast", size).flatMap { splitter.append($0) }
    #expect(lines.map(\.text) == ["one", "", "three é"])
    #expect(splitter.finish()?.text == "last")
    #expect(splitter.finish() == nil)
  }

  @Test(arguments: chunkSizes) func aLongLineIsCutAndTheNextOneIsWhole(size: Int) {
    var splitter = LineSplitter(limit: 4)
    let lines = chunks("1234\n123456789\nabc\n", size).flatMap { splitter.append($0) }
    #expect(lines.map(\.text) == ["1234", "1234", "abc"])
    #expect(lines.map(\.length) == [4, 9, 3])
    #expect(lines.map(\.isCut) == [false, true, false])
    #expect(splitter.finish() == nil)
  }

  @Test(arguments: chunkSizes) func outputKeepsItsBeginning(size: Int) {
    var head = OutputHead(limit: 5)
    for chunk in chunks("123456789", size) { head.append(chunk) }
    #expect(head.bytes == Array("12345".utf8))
    #expect(head.total == 9)
    #expect(head.text == "12345\n[truncated: the first 5 of 9 bytes]")
  }

  @Test(arguments: [
    ("a", "a"), ("a\n", "a"), ("a\n\n", "a\n"), ("a\r\n", "a"), ("\n", ""), ("", ""), ("a ", "a "),
  ])
  func oneNewlineAtTheEndIsDropped(output: String, text: String) {
    var head = OutputHead(limit: 100)
    head.append(output.utf8)
    #expect(head.text == text)
  }

  @Test(arguments: [(4, "aé"), (3, "aé"), (2, "a"), (1, "a"), (5, "aé"), (6, "aé€"), (7, "aé€x")])
  func outputIsNeverCutInsideACharacter(limit: Int, kept: String) {
    var head = OutputHead(limit: limit)
    head.append("aé€x…".utf8)
    #expect(head.text.hasPrefix("\(kept)\n[truncated: the first \(kept.utf8.count) of 10 bytes]"))
  }

  @Test func invalidOutputIsRepaired() {
    var head = OutputHead(limit: 100)
    head.append([0x61, 0xFF, 0x62, 0x0A])
    #expect(head.text == "a\u{FFFD}b")
  }

  @Test(arguments: chunkSizes) func errorsKeepTheirEnd(size: Int) {
    var tail = ErrorTail(limit: 5)
    for chunk in chunks("the reason\n\n", size) { tail.append(chunk) }
    #expect(tail.text == "…son")
    var all = ErrorTail(limit: 20)
    for chunk in chunks("the reason\n", size) { all.append(chunk) }
    #expect(all.text == "the reason")
  }

  @Test func aTailNeverBeginsInsideACharacter() {
    var tail = ErrorTail(limit: 4)
    tail.append("x€€".utf8)
    #expect(tail.text == "…€")
    tail.append([0xFF, 0x61])
    #expect(tail.text == "…\u{FFFD}a")
  }

  @Test func afterTheEndNoMoreIsReadThanAPipeHoldsNorForLong() {
    let start = ContinuousClock.now
    var rest = OutputRest()
    // What is read first after the end may have been written before it.
    let large = (0...100).map { rest.goesOn(after: 1 << 20, isOver: $0 == 100, now: start) }
    #expect(large.allSatisfy { $0 })
    let small = (0..<16).map { _ in rest.goesOn(after: 1 << 16, isOver: true, now: start) }
    #expect(small == Array(repeating: true, count: 15) + [false])

    var slow = OutputRest()
    let times = (0...2).map { second in
      slow.goesOn(after: 1, isOver: true, now: start + .seconds(second))
    }
    #expect(times == [true, true, false])
  }
}
