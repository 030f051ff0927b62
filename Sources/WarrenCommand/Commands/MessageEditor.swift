import Foundation
import JobClient
import Jobs
import Subprocess
import SystemPackage

/// Has a person edit a message in the editor of theirs.
struct MessageEditor {
  var environment = ProcessInfo.processInfo.environment

  /// - Returns: what is different; `nil` where nothing is.
  func edit(_ message: DeadLetterMessage) async throws -> DeadLetterChange? {
    let editor = environment["VISUAL"] ?? environment["EDITOR"] ?? ""
    guard !editor.isEmpty else {
      throw ParamError(
        "neither VISUAL nor EDITOR names an editor; say what is to be different by an"
          + " option, as --params")
    }
    let folder = URL.temporaryDirectory.appending(path: "warren-edit-\(UUID())")
    try FileManager.default.createDirectory(
      at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appending(path: "message.json")
    try Data(try JSONOutput.text(message).utf8).write(to: file)
    // An editor may be named with arguments of its own, as git takes it.
    let result = try await Subprocess.run(
      .path("/bin/sh"), arguments: ["-c", "\(editor) \"$1\"", "edit", file.path()],
      input: .currentStandardInput, output: .currentStandardOutput, error: .currentStandardError)
    guard case .exited(0) = result.terminationStatus else {
      throw ParamError("the editor ended with \(result.terminationStatus); nothing was changed")
    }
    return try Self.change(of: message, to: try Data(contentsOf: file))
  }

  /// What is different in a text that was edited.
  static func change(of message: DeadLetterMessage, to text: Data) throws -> DeadLetterChange? {
    let edited: DeadLetterMessage
    do {
      edited = try JSONValue(parsing: text).decode(as: DeadLetterMessage.self)
    } catch {
      throw ParamError("what was edited is no message any more: \(error)")
    }
    var change = DeadLetterChange(
      properties: difference(message.properties, edited.properties),
      headers: difference(message.headers, edited.headers))
    if edited.body != message.body || edited.bodyBase64 != message.bodyBase64 {
      if let body = edited.body {
        change.body = Data(body.text.utf8)
      } else if let body = Data(base64Encoded: edited.bodyBase64 ?? "") {
        change.body = body
      } else {
        throw ParamError("body_base64 must be base64")
      }
    }
    return change == DeadLetterChange() ? nil : change
  }

  private static func difference(
    _ before: [String: JSONValue], _ after: [String: JSONValue]
  ) -> [String: JSONValue] {
    var changed = after.filter { before[$0.key] != $0.value }
    for name in before.keys where after[name] == nil { changed[name] = .null }
    return changed
  }
}
