@_exported public import Warren
