// Readers of tensor files: safetensors (BF16, F16, F32, I32, I64, U8 ...) and NumPy .npy (f2, f4, f8, i4, i8;
// C order). The header is read and checked at open; tensors are read on demand. Fails on a header beyond the
// file, overlapping or out-of-range data, gaps, sizes that do not match, unknown dtypes; `where` is the file
// and the tensor.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
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
  size_t file = 0;          // of SafetensorsFile::files()
};

class SafetensorsFile {
 public:
  static Result<SafetensorsFile> open(const std::string& path);
  // All files that an index (model.safetensors.index.json) names, as one.
  static Result<SafetensorsFile> open_index(const std::string& path);
  // A model's weights: model.safetensors in the folder, or the files of its index.
  static Result<SafetensorsFile> open_model(const std::string& folder);
  // From memory, for fuzzing and tests. `name` is used in errors.
  static Result<SafetensorsFile> from_bytes(std::vector<uint8_t> bytes, const std::string& name);

  [[nodiscard]] const std::vector<TensorEntry>& entries() const { return entries_; }  // sorted by name
  // Files that hold the tensors, in order of their names.
  [[nodiscard]] const std::vector<std::string>& files() const { return files_; }
  [[nodiscard]] const TensorEntry* find(const std::string& name) const;
  // Converted to FP32 (integers beyond 2^24 fail). kNotFound lists the nearest name.
  [[nodiscard]] Result<Tensor> read(const std::string& name) const;

 private:
  std::string path_;  // for errors
  std::vector<std::string> files_;
  std::vector<uint8_t> bytes_;  // when from memory
  std::vector<TensorEntry> entries_;
};

// The weight map of an index: file by tensor. `name` is used in errors.
Result<std::map<std::string, std::string>> parse_safetensors_index(std::string_view json,
                                                                   const std::string& name);

Result<Tensor> read_npy(const std::string& path);
Result<Tensor> read_npy_bytes(const std::vector<uint8_t>& bytes, const std::string& name);

}  // namespace rdusim
