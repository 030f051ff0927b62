@_exported public import Jobs
