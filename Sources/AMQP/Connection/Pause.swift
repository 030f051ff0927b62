/// A pause before another attempt. Belongs to the connection's actor.
struct Pause {
  /// Whether it ends early when the connection that it concerns is lost.
  var endsWithSession: Bool
  var deadline: Deadline?
  var resume: () -> Void
}
