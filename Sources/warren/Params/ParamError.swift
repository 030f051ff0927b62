/// Params that cannot be made from the command line.
struct ParamError: Error, Hashable, CustomStringConvertible {
  let description: String

  init(_ description: String) {
    self.description = description
  }
}
