import Jobs

/// The groups of the file.
struct DeclaredGroups {
  /// Those without a fault.
  var usable: [String: JobGroup] = [:]
  /// All names, so that a type of a group with a fault is not blamed as well.
  var names: [String] = []
}
