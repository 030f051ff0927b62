import TextTable

/// A table for people.
struct Table: Hashable {
  struct Heading: Hashable {
    let title: String
    var isNumber = false

    init(_ title: String, isNumber: Bool = false) {
      self.title = title
      self.isNumber = isNumber
    }
  }

  /// Longer cells are cut.
  static let cellLimit = 60

  let headings: [Heading]
  /// Each with a cell for each heading.
  let rows: [[String]]

  init(_ headings: [Heading], rows: [[String]]) {
    self.headings = headings
    self.rows = rows.map { row in row.map { TerminalText.line($0, limit: Self.cellLimit) } }
  }

  /// The lines of the table; `nil` when it has no rows.
  var text: String? {
    let table = TextTable<[String]> { row in
      zip(headings, row).map { heading, cell in
        Column(title: heading.title, value: cell, align: heading.isNumber ? .right : .left)
      }
    }
    return table.string(for: rows, style: Style.simple)?
      .split(separator: "\n", omittingEmptySubsequences: false)
      .map { line in
        var line = line
        while line.last == " " { line.removeLast() }
        return String(line)
      }
      .joined(separator: "\n")
  }
}
