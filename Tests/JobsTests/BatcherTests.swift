import Foundation
import Synchronization
import Testing

@testable import Jobs

@Suite("Batches by load", .timeLimit(.minutes(2)))
struct BatcherTests {
  struct Refused: Error, Equatable {}

  @Test("what gathers while a batch is in flight is the next batch, in order")
  func gathers() async {
    let batches = Mutex<[[Int]]>([])
    let (gate, open) = AsyncStream.makeStream(of: Void.self)
    let batcher = Batcher<Int, Int, Never>(limit: 100) { items in
      let isFirst = batches.withLock { batches in
        batches.append(items)
        return batches.count == 1
      }
      if isFirst { for await _ in gate { break } }
      return .success(items.map { $0 * 2 })
    }
    async let first = batcher.submit([1])
    while batches.withLock(\.isEmpty) { await Task.yield() }
    // The first batch is held at the gate.
    async let second = batcher.submit([2, 3])
    while batcher.waiting < 1 { await Task.yield() }
    async let third = batcher.submit([4])
    while batcher.waiting < 2 { await Task.yield() }
    open.yield()
    #expect(await [first, second, third] == [[2], [4, 6], [8]])
    #expect(batches.withLock(\.self) == [[1], [2, 3, 4]])
  }

  @Test("a batch is not larger than its limit, unless one caller brings more")
  func limit() async {
    let sizes = Mutex<[Int]>([])
    let batcher = Batcher<Int, Int, Never>(limit: 3) { items in
      sizes.withLock { $0.append(items.count) }
      return .success(items)
    }
    await withDiscardingTaskGroup { group in
      for number in 0..<50 { group.addTask { _ = await batcher.submit([number]) } }
    }
    #expect(sizes.withLock { $0.reduce(0, +) } == 50)
    #expect(sizes.withLock { $0.max() ?? 0 } <= 3)
    #expect(await batcher.submit(Array(0..<7)) == Array(0..<7))
  }

  @Test("a failed batch fails each of its callers, and the next one is tried")
  func failure() async throws {
    let isBroken = Mutex(true)
    let batcher = Batcher<Int, Int, Refused>(limit: 10) { items in
      isBroken.withLock(\.self) ? .failure(Refused()) : .success(items)
    }
    await #expect(throws: Refused.self) { try await batcher.submit([1]) }
    isBroken.withLock { $0 = false }
    #expect(try await batcher.submit([1]) == [1])
  }

  @Test("nothing handed in is answered at once")
  func empty() async {
    let batcher = Batcher<Int, Int, Never>(limit: 1) { .success($0) }
    #expect(await batcher.submit([]) == [])
  }

  @Test("a batch has no more bytes than its limit, and what is larger travels alone")
  func bytes() async {
    let batches = Mutex<[[Int]]>([])
    let (gate, open) = AsyncStream.makeStream(of: Void.self)
    let batcher = Batcher<Int, Int, Never>(
      limit: 100, byteLimit: 10, size: { $0 },
      handler: { items in
        let isFirst = batches.withLock { batches in
          batches.append(items)
          return batches.count == 1
        }
        if isFirst { for await _ in gate { break } }
        return .success(items)
      })
    await withDiscardingTaskGroup { group in
      for (position, size) in [1, 4, 4, 3, 25, 2, 8].enumerated() {
        group.addTask { #expect(await batcher.submit([size]) == [size]) }
        if position == 0 {
          while batches.withLock(\.isEmpty) { await Task.yield() }
        } else {
          while batcher.waiting < position { await Task.yield() }
        }
      }
      open.yield()
    }
    #expect(batches.withLock(\.self) == [[1], [4, 4], [3], [25], [2, 8]])
  }

  @Test(
    "the bound of a value's size is not below what it has as JSON",
    arguments: [
      JSONValue.null, .bool(false), .integer(.min), .number(-1.7976931348623157e308), .string(""),
      .string("a\u{1}\n\"\\/é𝄞"), [1, [2, .null]], ["a": ["b/": 0.1], "c": .array([])],
    ])
  func sizes(_ value: JSONValue) throws {
    #expect(value.sizeBound >= (try JSONEncoder().encode(value)).count)
    #expect(value.sizeBound >= value.text.utf8.count)
  }
}
