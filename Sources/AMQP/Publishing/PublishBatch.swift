/// Publications that were handed over together, and the verdicts so far. Belongs to the
/// connection's actor.
final class PublishBatch {
  /// Empty once all have their verdict: a batch may stay in line for longer.
  private(set) var publications: [Publication]
  var deadline: Deadline?
  /// How many, from the first on, have been handed to the socket or settled before.
  var sent = 0
  private var verdicts: [PublishVerdict?]
  private var missing: Int
  private var completion: (([PublishVerdict]) -> Void)?

  init(_ publications: [Publication], completion: @escaping ([PublishVerdict]) -> Void) {
    self.publications = publications
    self.completion = completion
    verdicts = Array(repeating: nil, count: publications.count)
    missing = publications.count
  }

  /// Whether all have their verdict.
  var isFinished: Bool { completion == nil }

  /// Whether that one has its verdict.
  func isSettled(_ index: Int) -> Bool { verdicts[index] != nil }

  /// Gives a publication its verdict; only the first one counts.
  func settle(_ index: Int, _ verdict: PublishVerdict) {
    guard verdicts[index] == nil else { return }
    verdicts[index] = verdict
    missing -= 1
    if missing == 0 { finish("") }
  }

  /// Ends the wait for all that have no verdict: `why` there will be none.
  func finish(_ why: String) {
    deadline?.cancel()
    deadline = nil
    guard let completion else { return }
    self.completion = nil
    publications = []
    completion(
      verdicts.enumerated().map { index, verdict in
        verdict ?? (index < sent ? .unknown(why) : .notSent(why))
      })
  }
}
