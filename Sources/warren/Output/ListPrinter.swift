/// Prints a list: as JSON, or as a table with what is to be said below it.
struct ListPrinter {
  let json: Bool

  /// - Parameters:
  ///   - answer: what the server gave.
  ///   - none: what is said of an empty list.
  ///   - total: how many there are on all pages.
  ///   - next: where the list goes on.
  func show(
    _ answer: some Encodable, _ table: Table, none: String, total: Int, next: String? = nil
  ) throws {
    if json {
      Console.write(try JSONOutput.text(answer), to: .output)
    } else {
      Console.write(Self.text(table, none: none, total: total, next: next), to: .output)
    }
  }

  static func text(_ table: Table, none: String, total: Int, next: String? = nil) -> String {
    guard let text = table.text else {
      return total > 0 ? "nothing on this page; there are \(total)\n" : none + "\n"
    }
    guard table.rows.count < total else { return text }
    let more = next.map { "; more with --after \($0)" } ?? ""
    return "\(text)\n\(table.rows.count) of \(total)\(more)\n"
  }
}
