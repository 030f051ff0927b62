#include "CAPIDocument.h"

// A part of the program itself, since `warren` is one file; and without a literal of its bytes, which Swift takes ten seconds to
// compile.
static const unsigned char document[] = {
#embed "../../docs/openapi.yaml"
  , 0
};

const char *warren_api_document(void) {
  return (const char *)document;
}
