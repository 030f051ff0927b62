#ifndef WARREN_API_DOCUMENT_H
#define WARREN_API_DOCUMENT_H

/// The text of docs/openapi.yaml, in UTF-8.
const char *warren_api_document(void);

#endif
