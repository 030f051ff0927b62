/// A request that waits for its reply. Belongs to the connection's actor.
struct PendingRequest {
  var deadline: Deadline?
  /// The request itself, which need not be sent any more once nobody waits for the reply.
  weak var publication: PublishBatch?
  var resume: (Result<Message, AMQPError>) -> Void
}
