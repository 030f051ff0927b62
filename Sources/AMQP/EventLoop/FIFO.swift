/// A queue: first in, first out, each in constant time.
struct FIFO<Element> {
  private var elements: [Element?] = []
  private var head = 0

  var isEmpty: Bool { head == elements.count }
  var count: Int { elements.count - head }
  var first: Element? { isEmpty ? nil : elements[head] }

  mutating func append(_ element: Element) { elements.append(element) }

  mutating func popFirst() -> Element? {
    guard !isEmpty else { return nil }
    let element = elements[head]
    elements[head] = nil
    head += 1
    if head == elements.count {
      elements.removeAll(keepingCapacity: true)
      head = 0
    } else if head > 64, head * 2 >= elements.count {
      elements.removeSubrange(..<head)
      head = 0
    }
    return element
  }

  /// Replaces the first element, which there must be.
  mutating func replaceFirst(_ element: Element) { elements[head] = element }

  /// Empties the queue; returns what was in it, in order.
  mutating func removeAll() -> [Element] {
    defer { self = FIFO() }
    return elements[head...].compactMap(\.self)
  }
}
