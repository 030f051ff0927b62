/// A program that has failed and may be tried again.
struct CommandFailure: Error, Hashable, CustomStringConvertible {
  let description: String
}
