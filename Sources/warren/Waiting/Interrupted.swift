/// Someone pressed Ctrl-C.
struct Interrupted: Error, CustomStringConvertible {
  let description = "interrupted"
}
