/// Publications that were handed over together, encoded, and the verdicts so far.
///
/// `@unchecked`: the caller's task makes it and hands it to the connection's thread, which alone
/// touches it from then on.
final class PublishBatch: @unchecked Sendable {
  /// Neighbours that go to the same exchange, and can be sent.
  struct Run: Equatable {
    var exchange: String
    var range: Range<Int>
  }

  private enum State: UInt8 {
    case waiting, sent
    /// The broker has refused it, and it waits to be sent once more on a fresh channel.
    case refused
    case settled
  }

  /// What the publications take in memory, as counted against the bound.
  let cost: Int
  let runs: [Run]
  /// The largest frame for which they are encoded.
  private(set) var frameMax: Int
  /// The encoded publications, one after the other; `nil` once all have their verdict.
  private(set) var store: ByteStore?
  /// Where each ends in the store.
  private var ends: [Int]
  private var states: [State]
  /// Whether each has been sent more than once.
  private var repeated: Set<Int> = []
  private var returned: [Int: PublishVerdict] = [:]
  /// The verdicts other than `.confirmed`.
  private var exceptions: [Int: PublishVerdict] = [:]
  /// Of those that were sent, are mandatory and had no answer when the wait for it ended.
  private var digests: [Int: PublicationDigest] = [:]
  private var missing: Int
  private var completion: (([PublishVerdict]) -> Void)?
  var deadline: Deadline?
  /// Until what has not been sent is taken back.
  var patience: Deadline?
  /// Why nothing of it is sent any more.
  private var end: String?

  /// Encodes publications. What AMQP cannot carry has its verdict at once.
  init(
    _ publications: [Publication], cost: Int, frameMax: Int,
    refused: [Int: AMQPError] = [:], completion: @escaping ([PublishVerdict]) -> Void
  ) {
    self.cost = cost
    self.frameMax = frameMax
    self.completion = completion
    var writer = ByteWriter(capacity: cost)
    var encoder = FrameEncoder()
    var runs: [Run] = []
    ends = []
    ends.reserveCapacity(publications.count)
    states = Array(repeating: .waiting, count: publications.count)
    missing = publications.count
    for (index, publication) in publications.enumerated() {
      if let error = refused[index] {
        exceptions[index] = .notSent("\(error)")
      } else {
        let start = writer.count
        do throws(AMQPError) {
          try encoder.append(publication, frameMax: frameMax, to: &writer)
        } catch {
          writer.cut(to: start)
          exceptions[index] = .notSent("\(error)")
        }
      }
      ends.append(writer.count)
      if exceptions[index] != nil {
        states[index] = .settled
        missing -= 1
      } else if let last = runs.indices.last, runs[last].range.upperBound == index,
        runs[last].exchange == publication.exchange
      {
        runs[last].range = runs[last].range.lowerBound..<(index + 1)
      } else {
        runs.append(Run(exchange: publication.exchange, range: index..<(index + 1)))
      }
    }
    self.runs = runs
    store = writer.store()
    if missing == 0 { finish("") }
  }

  /// What publications take encoded, at most, and which cannot be sent.
  static func measure(
    _ publications: [Publication], frameMax: Int
  ) -> (cost: Int, refused: [Int: AMQPError]) {
    var cost = 0
    var refused: [Int: AMQPError] = [:]
    for (index, publication) in publications.enumerated() {
      do throws(AMQPError) {
        cost += try publication.checkedSize(frameMax: frameMax)
      } catch {
        refused[index] = error
      }
    }
    return (cost, refused)
  }

  /// Has the verdicts told to somebody else, too.
  func observe(_ observer: @escaping ([PublishVerdict]) -> Void) {
    guard let completion else { return }
    self.completion = { verdicts in
      observer(verdicts)
      completion(verdicts)
    }
  }

  /// Whether all have their verdict.
  var isFinished: Bool { completion == nil }

  /// Whether that one is still to be sent, for the first time or once more.
  func isToBeSent(_ index: Int) -> Bool {
    states[index] == .waiting || states[index] == .refused
  }

  /// Whether that one has been sent more than once.
  func isRepeated(_ index: Int) -> Bool { repeated.contains(index) }

  /// Where the frames of publications lie in the store.
  func bytes(_ range: Range<Int>) -> Range<Int> {
    (range.lowerBound == 0 ? 0 : ends[range.lowerBound - 1])..<ends[range.upperBound - 1]
  }

  /// These are being sent.
  func sent(_ range: Range<Int>) {
    for index in range {
      if states[index] == .refused { repeated.insert(index) }
      states[index] = .sent
    }
  }

  /// The broker refused this one; it will be sent once more.
  func refused(_ index: Int) {
    if states[index] == .sent { states[index] = .refused }
    settleUnsent()
  }

  /// These were certainly not taken, and are to be sent again.
  func notTaken(_ range: Range<Int>) {
    for index in range where states[index] == .sent { states[index] = .waiting }
    settleUnsent()
  }

  /// The broker sent this one back; what it says next of it is only the end of it.
  func returned(_ index: Int, _ verdict: PublishVerdict) { returned[index] = verdict }

  /// Whether that one may be a message that came back.
  func isLike(
    _ message: ReturnedMessage, _ index: Int, _ likeness: ReturnedMessage.Likeness
  ) -> Bool {
    if let parts = parts(index) { return message.isLike(parts, likeness) }
    return digests[index].map { message.isLike($0, likeness) } ?? false
  }

  /// Whether the broker has sent that one back.
  func isReturned(_ index: Int) -> Bool { returned[index] != nil }

  /// Gives publications their verdict, unless they have one.
  func settle(_ range: Range<Int>, _ verdict: PublishVerdict) {
    guard completion != nil else { return }
    for index in range where states[index] != .settled {
      states[index] = .settled
      missing -= 1
      let verdict = returned[index] ?? verdict
      if verdict != .confirmed { exceptions[index] = verdict }
    }
    if missing == 0 { finish("") }
  }

  /// Ends the wait for what has not been sent, or would have to be sent again: `why` it will not be.
  func takeBack(_ why: String) {
    end = why
    settleUnsent()
  }

  private func settleUnsent() {
    guard let end else { return }
    for index in states.indices {
      switch states[index] {
      case .waiting: settle(index..<(index + 1), .notSent(end))
      case .refused: settle(index..<(index + 1), .nacked)
      case .sent, .settled: break
      }
    }
  }

  /// Ends the wait for all that have no verdict: `why` there will be none.
  func finish(_ why: String) {
    deadline?.cancel()
    deadline = nil
    patience?.cancel()
    patience = nil
    guard let completion else { return }
    self.completion = nil
    if missing > 0 {
      for index in states.indices where states[index] == .sent && returned[index] == nil {
        guard let parts = parts(index), parts.isMandatory else { continue }
        digests[index] = PublicationDigest(parts)
      }
    }
    store = nil
    if missing == 0, exceptions.isEmpty {
      completion(Array(repeating: .confirmed, count: states.count))
      return
    }
    completion(
      states.indices.map { index in
        switch states[index] {
        case .waiting: .notSent(why)
        case .sent: returned[index] ?? .unknown(why)
        case .refused: .nacked
        case .settled: exceptions[index] ?? .confirmed
        }
      })
  }

  // MARK: Frames

  /// Fills in the channel on which these go.
  func address(_ range: Range<Int>, to channel: UInt16) {
    guard let store else { return }
    let bytes = bytes(range)
    var position = bytes.lowerBound
    while position < bytes.upperBound {
      (store.base + position + 1).storeBytes(of: channel.bigEndian, as: UInt16.self)
      position += Self.frameSize(store, at: position)
    }
  }

  /// Whether one of them has a body of at least that many bytes, and which is the first.
  func firstLarge(_ range: Range<Int>, atLeast size: Int) -> Int? {
    guard bytes(range).count >= size else { return nil }
    return range.first { bytes($0..<($0 + 1)).count >= size }
  }

  private static func frameSize(_ store: ByteStore, at position: Int) -> Int {
    let size = (store.base + position + 3).loadUnaligned(as: UInt32.self)
    return Int(UInt32(bigEndian: size)) + FrameReader.overhead
  }

  /// One encoded publication, taken apart.
  struct Parts {
    var exchange: UnsafeRawBufferPointer
    var routingKey: UnsafeRawBufferPointer
    var isMandatory: Bool
    var properties: UnsafeRawBufferPointer
    var bodySize: UInt64
    var body: [UnsafeRawBufferPointer]
  }

  func parts(_ index: Int) -> Parts? {
    guard let store else { return nil }
    let bytes = bytes(index..<(index + 1))
    func payload(_ position: Int) -> Range<Int> {
      (position + 7)..<(position + Self.frameSize(store, at: position) - 1)
    }
    // Method number 4, ticket 2, exchange, routing key, flags.
    let method = payload(bytes.lowerBound)
    let exchangeEnd = method.lowerBound + 7 + Int(store[method][6])
    let keyEnd = exchangeEnd + 1 + Int(store[exchangeEnd..<(exchangeEnd + 1)][0])
    // Class 2, weight 2, body size 8.
    let header = payload(method.upperBound + 1)
    let size = (store.base + header.lowerBound + 4).loadUnaligned(as: UInt64.self)
    var body: [UnsafeRawBufferPointer] = []
    var position = header.upperBound + 1
    while position < bytes.upperBound {
      let part = payload(position)
      body.append(store[part])
      position = part.upperBound + 1
    }
    return Parts(
      exchange: store[(method.lowerBound + 7)..<exchangeEnd],
      routingKey: store[(exchangeEnd + 1)..<keyEnd],
      isMandatory: store[keyEnd..<(keyEnd + 1)][0] & 1 != 0,
      properties: store[(header.lowerBound + 12)..<header.upperBound],
      bodySize: UInt64(bigEndian: size), body: body)
  }

  /// Cuts the frames anew for a connection that takes smaller ones. What has a header that is larger
  /// than that cannot be sent.
  func reframe(to frameMax: Int) {
    guard let store, frameMax < self.frameMax else { return }
    var writer = ByteWriter(capacity: store.count + store.count / frameMax * 16)
    var newEnds: [Int] = []
    var tooLarge: [Int] = []
    for index in ends.indices {
      let bytes = bytes(index..<(index + 1))
      var position = bytes.lowerBound
      while position < bytes.upperBound {
        let size = Self.frameSize(store, at: position)
        if store[position..<(position + 1)][0] == Frame.Kind.body.rawValue {
          var rest = store[(position + 7)..<(position + size - 1)][...]
          while !rest.isEmpty {
            let part = rest.prefix(frameMax - FrameReader.overhead)
            let frame = writer.beginFrame(.body, channel: 0)
            writer.append(UnsafeRawBufferPointer(rebasing: part))
            writer.endFrame(frame)
            rest = rest[part.endIndex...]
          }
        } else {
          if size > frameMax { tooLarge.append(index) }
          writer.append(store[position..<(position + size)])
        }
        position += size
      }
      newEnds.append(writer.count)
    }
    ends = newEnds
    self.store = writer.store()
    self.frameMax = frameMax
    for index in tooLarge where isToBeSent(index) {
      settle(
        index..<(index + 1),
        .notSent("properties and headers take more than the broker allows now: \(frameMax) bytes"))
    }
  }
}
