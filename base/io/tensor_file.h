// Readers of tensor files: safetensors (BF16, F16, F32, I32, I64, U8 ...) and NumPy .npy (f2, f4, f8, i4, i8;
// C order). The header is read and checked at open; tensors are read on demand. Fails on a header beyond the
// file, overlapping or out-of-range data, gaps, sizes that do not match, unknown dtypes; `where` is the file
// and the tensor.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/result.h"
#include "base/tensor.h"

namespace rdusim {

struct TensorEntry {
  std::string name;
  DType dtype = DType::kBf16;
  Shape shape;
  int64_t offset = 0;       // in the file
  int64_t bytes = 0;        // as stored
  std::string stored_type;  // the file's own name; F64 and small integers, too, have a dtype they convert to
};

class SafetensorsFile {
 public:
  static Result<SafetensorsFile> open(const std::string& path);
  // From memory, for fuzzing and tests. `name` is used in errors.
  static Result<SafetensorsFile> from_bytes(std::vector<uint8_t> bytes, const std::string& name);

  [[nodiscard]] const std::vector<TensorEntry>& entries() const { return entries_; }  // sorted by name
  [[nodiscard]] const TensorEntry* find(const std::string& name) const;
  // Converted to FP32 (integers beyond 2^24 fail). kNotFound lists the nearest name.
  [[nodiscard]] Result<Tensor> read(const std::string& name) const;

 private:
  std::string path_;
  std::vector<uint8_t> bytes_;  // when from memory
  std::vector<TensorEntry> entries_;
};

Result<Tensor> read_npy(const std::string& path);
Result<Tensor> read_npy_bytes(const std::vector<uint8_t>& bytes, const std::string& name);

}  // namespace rdusim
