import Foundation
import JobConfig
import Jobs
import Testing

@Suite("What is wrong with a configuration")
struct ConfigurationProblemTests {
  /// A file with one group, and a type for each line.
  private static func types(_ types: String...) -> String {
    "groups: {files: {queue: compute}}\ntypes:\n"
      + types.map { "  - \($0)" }.joined(separator: "\n")
  }

  @Test("is said all at once, in the order of the lines, with line, column and key")
  func allAtOnce() {
    let found = problems(
      """
      brokr: amqp://127.0.0.1/
      prefix: a b
      http: {port: 99999, hots: x}
      queues: {compute: {capacity: 0}}
      groups:
        files: {queue: compte}
        letters: {}
      types:
        - {name: a, group: fles, command: [a]}
        - {name: b, group: files, command: [], timeout: 60, retries: 1}
      log_level: loud
      """, ["WARREN_WORKER_DRAIN_TIMEOUT": "soon"])
    #expect(
      found == [
        "w.yaml:1:1: brokr: there is no such key; did you mean broker?",
        "w.yaml:2:9: prefix: 'a b' is no name of a prefix: it takes 1 to 64 of the characters"
          + " a-z A-Z 0-9 _ -",
        "w.yaml:3:21: http.hots: there is no such key; did you mean host?",
        "w.yaml:3:14: http.port: must be an integer from 0 to 65535, not '99999'",
        "w.yaml:4:30: queues.compute.capacity: must be an integer from 1 to 65535, not '0'",
        "w.yaml:6:18: groups.files.queue: there is no job queue 'compte'; did you mean compute?",
        "w.yaml:7:12: groups.letters: the key queue is missing: the job queue that its jobs wait in",
        "w.yaml:9:22: types[0].group: there is no job group 'fles'; did you mean files?",
        "w.yaml:10:55: types[1].retries: there is no such key; did you mean max_retries?",
        "w.yaml:10:38: types[1].command: must not be empty: its first word is the program to run",
        "w.yaml:10:51: types[1].timeout: 60 has no unit; write 60s for seconds; a duration is"
          + " written as in 500ms, 60s, 1m30s, 2h or 1d",
        "w.yaml:11:12: log_level: must be one of trace, debug, info, notice, warning, error,"
          + " critical, not 'loud'",
        "WARREN_WORKER_DRAIN_TIMEOUT: 'soon' is no duration; a duration is written as in 500ms,"
          + " 60s, 1m30s, 2h or 1d",
      ])
  }

  @Test(
    "is named for each kind of value",
    arguments: [
      (
        "broker: http://x/",
        "w.yaml:1:9: broker: must be an AMQP URL, which begins with amqp:// or amqps://"
      ),
      ("broker: [a]", "w.yaml:1:9: broker: must be an AMQP URL, not a list"),
      ("store: ''", "w.yaml:1:8: store: must be the path of a file, not empty"),
      ("http: 8080", "w.yaml:1:7: http: must be a map, not '8080'"),
      ("http: {port: x}", "w.yaml:1:14: http.port: must be an integer from 0 to 65535, not 'x'"),
      ("http: {port: {}}", "w.yaml:1:14: http.port: must be an integer from 0 to 65535, not a map"),
      ("queues: [a]", "w.yaml:1:9: queues: must be a map, not a list"),
      ("types: {a: b}", "w.yaml:1:8: types: must be a list, not a map"),
      ("types: [a]", "w.yaml:1:9: types[0]: must be a map, not 'a'"),
      ("[a]", "w.yaml:1:1: must be a map, not a list"),
      ("word", "w.yaml:1:1: must be a map, not 'word'"),
    ])
  func kinds(text: String, problem: String) {
    #expect(problems(text) == [problem])
  }

  @Test("is said of a schema with the line of each place in it")
  func schemas() {
    let found = problems(
      """
      groups: {files: {queue: compute}}
      types:
        - name: a
          group: files
          command: [a]
          params_schema:
            properties:
              path:
                type: text
                minLength: -1
              size: {$ref: "#/$defs/none"}
              any: {anyOf: [true, {maxItem: 1}]}
        - {name: b, group: files, command: [a], params: {n: x}, params_schema: {properties: {n: {type: integer}}}}
        - {name: c, group: files, command: [a], params: {n: 1}, params_schema: {default: {n: 2}}}
        - {name: d, group: files, command: [a], params_schema: {properties: {n: {type: integer, default: x}}}}
        - {name: e, group: files, command: [a], params_schema: [1]}
      """)
    let starts = [
      "w.yaml:9:11: types[0].params_schema/properties/path/type: type must be array, boolean,",
      "w.yaml:10:11: types[0].params_schema/properties/path/minLength: minLength must be an integer from 0 up, not -1",
      "w.yaml:11:16: types[0].params_schema/properties/size/$ref: $ref there is no schema where it points to",
      "w.yaml:12:30: types[0].params_schema/properties/any/anyOf/1/maxItem: maxItem is no keyword that is supported;",
      "w.yaml:13:51: types[1].params: the defaults do not fit params_schema: does not fit: the parameter /n must be integer, not string",
      "w.yaml:14:51: types[2].params: the defaults are in params_schema already",
      "w.yaml:15:91: types[3].params_schema/properties/n/default: default does not fit: it must be integer, not string",
      "w.yaml:16:58: types[4].params_schema: must be a map, as JSON Schema has it, not a list",
    ]
    #expect(found.count == starts.count, "\(found)")
    for (problem, start) in zip(found, starts) { #expect(problem.hasPrefix(start), "\(problem)") }
  }

  @Test(
    "is named for each key of a type",
    arguments: [
      (
        "{name: a, command: [a]}",
        "types[0]: the key group is missing: the group that it belongs to"
      ),
      (
        "{group: files, command: [a]}",
        "types[0]: the key name is missing: the name of the job type"
      ),
      (
        "{name: a, group: files}",
        "types[0]: the key command is missing: the program and its arguments, as in [sha256sum, \"{path}\"]"
      ),
      (
        "{name: a, group: files, command: ls}",
        "types[0].command: must be a list of words, as in [sha256sum, \"{path}\"]"
      ),
      (
        "{name: a, group: files, command: [ls, [x]]}",
        "types[0].command: an argument must be a word, not a list"
      ),
      (
        "{name: a, group: files, command: [ls, ]}", nil
      ),
      (
        "{name: a, group: files, command: [ls, ~]}",
        "types[0].command: an argument must be a word, not nothing"
      ),
      (
        "{name: a, group: files, command: ['']}",
        "types[0].command: must not be empty: its first word is the program to run"
      ),
      (
        "{name: a b, group: files, command: [a]}",
        "types[0].name: 'a b' is no name of a job type: it takes 1 to 64 of the characters a-z A-Z 0-9 _ -"
      ),
      (
        "{name: a, group: files, command: [a], params: [x]}",
        "types[0].params: must be a map of the params' defaults, not a list"
      ),
      (
        "{name: a, group: files, command: [a], suspendable: yes}",
        "types[0].suspendable: must be true or false, not 'yes'"
      ),
      (
        "{name: a, group: files, command: [a], backoff: square}",
        "types[0].backoff: must be one of constant, linear, exponential, not 'square'"
      ),
      (
        "{name: a, group: files, command: [a], jitter: 1.5}",
        "types[0].jitter: must be a number from 0 to 1, not '1.5'"
      ),
      (
        "{name: a, group: files, command: [a], jitter: nan}",
        "types[0].jitter: must be a number from 0 to 1, not 'nan'"
      ),
      (
        "{name: a, group: files, command: [a], max_retries: -1}",
        "types[0].max_retries: must be an integer from 0 to 1000000, not '-1'"
      ),
      ("{name: a, group: files, command: [a], priority: 0}", nil),
      ("{name: a, group: files, command: [a], priority: 9}", nil),
      (
        "{name: a, group: files, command: [a], priority: 10}",
        "types[0].priority: must be an integer from 0 to 9, not '10'"
      ),
      (
        "{name: a, group: files, command: [a], priority: -1}",
        "types[0].priority: must be an integer from 0 to 9, not '-1'"
      ),
      (
        "{name: a, group: files, command: [a], priority: high}",
        "types[0].priority: must be an integer from 0 to 9, not 'high'"
      ),
      ("{name: a, group: files, command: [a], max_output_bytes: 0}", nil),
      ("{name: a, group: files, command: [a], max_output_bytes: 1048576}", nil),
      (
        "{name: a, group: files, command: [a], max_output_bytes: 1048577}",
        "types[0].max_output_bytes: must be an integer from 0 to 1048576, not '1048577'"
      ),
      (
        "{name: a, group: files, command: [a], max_output_bytes: -1}",
        "types[0].max_output_bytes: must be an integer from 0 to 1048576, not '-1'"
      ),
      ("{name: a, group: files, command: [a], grace: 0s}", nil),
      ("{name: a, group: files, command: [a], grace: 1d}", nil),
      (
        "{name: a, group: files, command: [a], grace: 24h1ms}",
        "types[0].grace: must be a day at most: 1d"
      ),
      (
        "{name: a, group: files, command: [a], grace: -1s}",
        "types[0].grace: '-1s' is no duration; a duration is written as in 500ms, 60s, 1m30s, 2h or 1d"
      ),
      (
        "{name: a, group: files, command: [a], environment: {A=B: c}}",
        "types[0].environment: 'A=B' is no name of a variable"
      ),
      (
        "{name: a, group: files, command: [a], environment: {A: [c]}}",
        "types[0].environment.A: must be a text, not a list"
      ),
    ] as [(String, String?)])
  func typeKeys(type: String, problem: String?) {
    let found = problems(Self.types(type)).map { text in
      text.replacing(#/^w\.yaml:3:[0-9]+: /#, with: "")
    }
    #expect(found == (problem.map { [$0] } ?? []))
  }

  @Test(
    "is a limit for callbacks that do not end which is no duration",
    arguments: [
      ("0s", nil), ("10m", nil),
      ("-1s", "'-1s' is no duration; a duration is written as in 500ms, 60s, 1m30s, 2h or 1d"),
      (
        "600",
        "600 has no unit; write 600s for seconds; a duration is written as in 500ms, 60s, 1m30s, 2h or 1d"
      ),
    ] as [(String, String?)])
  func stuckLimit(text: String, problem: String?) {
    let found = problems("worker: {stuck_limit: \(text)}")
    #expect(found == (problem.map { ["w.yaml:1:23: worker.stuck_limit: \($0)"] } ?? []))
    let variable = problems("", ["WARREN_WORKER_STUCK_LIMIT": text])
    #expect(variable == (problem.map { ["WARREN_WORKER_STUCK_LIMIT: \($0)"] } ?? []))
  }

  @Test("is a job type that is declared twice, with the line of the first")
  func duplicateType() {
    let type = "{name: a, group: files, command: [a]}"
    #expect(
      problems(Self.types(type, type)) == [
        "w.yaml:4:12: types[1].name: the job type files:a is declared already, on line 3"
      ])
  }

  @Test("is a name of Warren's own, and a group's name that is none, once")
  func names() {
    #expect(
      problems("queues: {dead: {capacity: 1}}") == [
        "w.yaml:1:10: queues: 'dead' is the name of a queue of Warren's own; choose another one"
      ])
    #expect(
      problems(
        "groups: {a b: {queue: compute}}\ntypes: [{name: x, group: a b, command: [x]}]"
      ) == [
        "w.yaml:1:10: groups: 'a b' is no name of a job group: it takes 1 to 64 of the characters"
          + " a-z A-Z 0-9 _ -"
      ])
  }

  @Test("is what those say who use the broker's URL and the command, at its place")
  func checks() throws {
    let checks = ConfigurationChecks(
      broker: { ["no vhost in \($0.count) characters"] },
      command: { command, params in
        ["\(command.count) words, \(params.members?.count ?? 0) params"]
      })
    #expect(
      problems(
        "broker: amqp://x\n"
          + Self.types("{name: a, group: files, command: [a, b], params: {c: 1}}"),
        checks: checks) == [
          "w.yaml:1:9: broker: no vhost in 8 characters",
          "w.yaml:4:38: types[0].command: 2 words, 1 params",
        ])
  }

  @Test(
    "is text that is no YAML, and a key that stands twice",
    arguments: [
      ("http: {port: 1", "w.yaml:2:1: not valid YAML: while parsing a flow mapping (line 1)"),
      ("a: b: c", "w.yaml:1:5: not valid YAML: "),
      ("a: *b", "w.yaml:1:4: not valid YAML: found undefined alias"),
      ("a: 1\n---\nb: 2", "w.yaml:2:1: not valid YAML: "),
      ("a: \u{1}", "w.yaml: not valid YAML: control characters are not allowed"),
      (
        "prefix: a\nstore: b\nprefix: c",
        "w.yaml:1:1: 'prefix' stands more than once in the same map"
      ),
      ("? [a]\n: b", "w.yaml:1:3: a key must be a single word or text"),
      ("<<: 5", "w.yaml:1:5: the merge key << takes a map or a list of maps, not '5'"),
      ("<<: [5]", "w.yaml:1:6: the merge key << takes a map or a list of maps, not '5'"),
    ])
  func syntax(text: String, beginning: String) {
    let found = problems(text)
    #expect(found.count == 1)
    #expect(found.first?.hasPrefix(beginning) == true, "\(found)")
  }

  @Test("never repeats the broker's URL")
  func secrets() {
    for text in [
      "broker: amqpx://u:s3cret@h", "broker: {url: 's3cret'}", "broker: amqp://u:s3cret@h: x",
    ] {
      let found = problems(text)
      #expect(!found.isEmpty)
      #expect(!found.joined().contains("s3cret"), "\(found)")
    }
  }

  @Test("are aliases of aliases that make a small file huge, and values too deep in one another")
  func bombs() {
    let bomb =
      "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
      + (1...12).map { level in
        let alias = "*a\(level - 1)"
        let list = Array(repeating: alias, count: 9).joined(separator: ",")
        return "a\(level): &a\(level) [\(list)]"
      }.joined(separator: "\n")
    #expect(problems(bomb).first?.contains("the file has more than 100000 values") == true)
    let deep = "a: " + String(repeating: "[", count: 900) + String(repeating: "]", count: 900)
    #expect(
      problems(deep).first?.contains("more than 64 levels lie in one another here") == true)
    let deeper = "a: " + String(repeating: "[", count: 100_000)
    #expect(problems(deeper).count == 1)
  }

  @Test("is a file that is not there, a directory, one that is too large, and one that is not text")
  func files() throws {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "warren-config-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    func problem(_ name: String, _ bytes: Data? = nil) throws -> String {
      let file = folder.appending(path: name)
      if let bytes { try bytes.write(to: file) }
      do {
        _ = try WarrenConfiguration.load(path: file.path, environment: [:])
        return ""
      } catch {
        return error.description.replacing(folder.path + "/", with: "")
      }
    }
    #expect(
      try problem("missing.yaml")
        == "missing.yaml: the file cannot be read: No such file or directory")
    #expect(try problem("").contains("the file cannot be read: Is a directory"))
    #expect(try problem("bytes", Data([0xFF, 0xFE, 0x41])) == "bytes: the file is not UTF-8 text")
    #expect(
      try problem("large", Data(repeating: 0x20, count: (1 << 20) + 1))
        == "large: the file has more than 1048576 bytes")
  }
}
