// An error may not be dropped silently (compiled with -Werror).
#include "base/result.h"

rdusim::Status f();
void g() {
#ifdef RDUSIM_CONTROL
  if (!f().ok()) return;
#else
  f();
#endif
}
