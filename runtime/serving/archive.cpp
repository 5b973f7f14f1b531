// Bytes of a serve's state; see archive.h.
#include "runtime/serving/archive.h"

namespace rdusim::runtime {

void Archive::raw(void* data, size_t size) {
  if (size == 0) return;
  if (writes_) {
    bytes_.append(static_cast<const char*>(data), size);
    return;
  }
  if (!ok()) return;
  if (left_.size() < size) return fail("it ends too early");
  std::memcpy(data, left_.data(), size);
  left_.remove_prefix(size);
}

size_t Archive::length(size_t count, size_t least) {
  uint64_t n = count;
  pod(n);
  if (!writes_ && ok() && least > 0 && n > left_.size() / least) fail("a list is longer than the file");
  return ok() ? static_cast<size_t>(n) : 0;
}

void Archive::bits(std::vector<bool>& values) {
  std::vector<uint8_t> bytes(values.begin(), values.end());
  pods(bytes);
  if (!writes_ && ok()) values.assign(bytes.begin(), bytes.end());
}

void Archive::text(std::string& value) {
  const size_t size = length(value.size(), 1);
  if (!writes_ && ok()) value.resize(size);
  if (ok()) raw(value.data(), size);
}

void Archive::mark(const char (&name)[5]) {
  char read[4];
  std::memcpy(read, name, 4);
  raw(read, 4);
  if (ok() && std::memcmp(read, name, 4) != 0) fail("a section does not begin where it should");
}

Status Archive::status() const {
  std::string problem = problem_;
  if (problem.empty() && !writes_ && !left_.empty()) problem = "bytes are left over";
  if (problem.empty()) return {};
  return Error{ErrorCode::kInvalidInput, "checkpoint", problem, "serve from the start"};
}

}  // namespace rdusim::runtime
