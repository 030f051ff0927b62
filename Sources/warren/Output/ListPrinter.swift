/// Prints a list: as JSON, or as a table with what is to be said below it.
struct ListPrinter {
  let json: Bool

  /// - Parameters:
  ///   - answer: what the server gave.
  ///   - none: what is said of an empty list.
  ///   - total: how many there are on all pages.
  func show(_ answer: some Encodable, _ table: Table, none: String, total: Int) throws {
    if json {
      Console.write(try JSONOutput.text(answer), to: .output)
    } else {
      Console.write(Self.text(table, none: none, total: total), to: .output)
    }
  }

  static func text(_ table: Table, none: String, total: Int) -> String {
    guard let text = table.text else {
      return total > 0 ? "nothing on this page; there are \(total)\n" : none + "\n"
    }
    return table.rows.count < total ? "\(text)\n\(table.rows.count) of \(total)\n" : text
  }
}
