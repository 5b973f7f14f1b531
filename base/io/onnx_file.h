// ONNX files: what the graph of a ModelProto says, and its tensors. The structure is read and checked at
// open; tensors are converted on demand. No operator is known here (models/onnx/ maps them).
//
// Tensors lie in the file (raw or typed fields) or in files beside it (external data). An external path is
// resolved within the model's folder: absolute paths, "..", and links that lead out of the folder are errors,
// and so is anything but a regular file. Not read: functions, sparse initialisers, sub-graphs of attributes
// (their presence is kept), metadata. Source of the field numbers: onnx.proto3 of the ONNX project, IR 3
// to 10.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/io/tensor_convert.h"
#include "base/result.h"
#include "base/tensor.h"

namespace rdusim {

struct OnnxTensor {
  std::string name;
  Shape shape;
  StoredType type = StoredType::kF32;
  int64_t file_offset = 0;     // of the tensor's message
  std::vector<uint8_t> typed;  // values of typed fields, as stored in `type`
  int64_t raw_offset = -1;     // of raw bytes in the file; -1: typed or external
  std::string external_path;   // resolved; empty: in the file
  int64_t external_offset = 0;
};

struct OnnxAttribute {
  int64_t integer = 0;
  float real = 0;
  std::string text;
  std::vector<int64_t> integers;
  std::vector<float> reals;
  std::optional<OnnxTensor> tensor;
  bool graph = false;  // has a sub-graph
};

struct OnnxNode {
  std::string op_type;
  std::string domain;
  std::string name;
  std::vector<std::string> inputs;  // "": left out
  std::vector<std::string> outputs;
  std::map<std::string, OnnxAttribute> attributes;
  int64_t file_offset = 0;

  [[nodiscard]] const OnnxAttribute* find(const std::string& attribute) const;
  [[nodiscard]] int64_t integer(const std::string& attribute, int64_t otherwise) const;
  [[nodiscard]] float real(const std::string& attribute, float otherwise) const;
};

struct OnnxDimension {
  std::optional<int64_t> size;
  std::string parameter;  // its name where it has no size
};
struct OnnxValueInfo {
  std::string name;
  StoredType type = StoredType::kF32;
  std::vector<OnnxDimension> dimensions;
  bool has_shape = false;
  int64_t file_offset = 0;
};

class OnnxFile {
 public:
  static Result<OnnxFile> open(const std::string& path);
  // From memory, for tests and fuzzing. `name` stands in errors; external data is refused.
  static Result<OnnxFile> from_bytes(std::vector<uint8_t> bytes, const std::string& name);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::string& graph_name() const { return graph_name_; }
  [[nodiscard]] int64_t opset() const { return opset_; }  // of the default domain; 0: not given
  [[nodiscard]] const std::vector<OnnxNode>& nodes() const { return nodes_; }
  [[nodiscard]] const std::vector<OnnxTensor>& initializers() const { return initializers_; }
  [[nodiscard]] const OnnxTensor* initializer(const std::string& name) const;
  [[nodiscard]] const std::vector<OnnxValueInfo>& inputs() const { return inputs_; }  // no initialisers
  [[nodiscard]] const std::vector<OnnxValueInfo>& outputs() const { return outputs_; }
  // Files that hold the model: itself, then external data, sorted.
  [[nodiscard]] std::vector<std::string> files() const;
  // In FP32. Integers beyond 2^24 fail, but for those of 64 bits that stand for "as far as it goes" in
  // slices: beyond 2^31 they become 2^31, with their sign.
  [[nodiscard]] Result<Tensor> read(const OnnxTensor& tensor) const;

 private:
  friend class OnnxParser;
  std::string path_;
  std::shared_ptr<const std::vector<uint8_t>> bytes_;
  std::string graph_name_;
  int64_t opset_ = 0;
  std::vector<OnnxNode> nodes_;
  std::vector<OnnxTensor> initializers_;
  std::map<std::string, size_t> initializer_index_;
  std::vector<OnnxValueInfo> inputs_;
  std::vector<OnnxValueInfo> outputs_;
};

// A TensorProto in a file of its own: the inputs and outputs of ONNX test sets (input_0.pb, output_0.pb).
struct NamedTensor {
  std::string name;
  Tensor tensor;
};
Result<NamedTensor> read_onnx_tensor(const std::string& path);

}  // namespace rdusim
