/// A method that the broker answers, from asking to answer. Belongs to the connection's actor.
final class Call {
  let method: OutboundMethod
  var deadline: Deadline?
  private var completion: ((Result<InboundMethod, AMQPError>) -> Void)?

  init(
    _ method: OutboundMethod, completion: @escaping (Result<InboundMethod, AMQPError>) -> Void
  ) {
    self.method = method
    self.completion = completion
  }

  /// Whether nobody waits for the answer any more.
  var isFinished: Bool { completion == nil }

  /// Gives the answer to whoever waits; only the first one counts.
  func finish(_ result: Result<InboundMethod, AMQPError>) {
    deadline?.cancel()
    deadline = nil
    guard let completion else { return }
    self.completion = nil
    completion(result)
  }
}
