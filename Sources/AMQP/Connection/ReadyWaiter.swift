/// Someone who waits for the connection to be ready. Belongs to the connection's actor.
struct ReadyWaiter {
  var deadline: Deadline?
  var resume: (Result<Void, AMQPError>) -> Void
}
