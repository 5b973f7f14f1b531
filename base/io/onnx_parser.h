// Messages of an ONNX file to the structs of onnx_file.h.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/io/onnx_file.h"
#include "base/io/wire_reader.h"

namespace rdusim {

class OnnxParser {
 public:
  // `folder`: where external data may lie; empty: nowhere.
  OnnxParser(std::string path, std::string folder, std::shared_ptr<const std::vector<uint8_t>> bytes)
      : path_(std::move(path)), folder_(std::move(folder)), bytes_(std::move(bytes)) {}

  Result<OnnxFile> model();
  Result<OnnxTensor> tensor();  // the whole file is one

  // Bytes of a tensor to FP32.
  static Result<Tensor> convert(const OnnxTensor& tensor, const std::vector<uint8_t>& file,
                                const std::string& path);

 private:
  [[nodiscard]] WireReader whole() const { return {*bytes_, 0, path_}; }
  Status graph(WireReader reader, OnnxFile& file);
  Result<OnnxNode> node(WireReader reader, int64_t offset);
  Status attribute(WireReader reader, OnnxNode& node);
  Result<OnnxTensor> tensor(WireReader reader, int64_t offset);
  Result<OnnxValueInfo> value_info(WireReader reader, int64_t offset);
  static Status tensor_type(WireReader reader, OnnxValueInfo& info);
  static Result<OnnxDimension> dimension(WireReader reader);
  Result<std::string> external_path(const std::string& location, const std::string& where) const;

  std::string path_;
  std::string folder_;
  std::shared_ptr<const std::vector<uint8_t>> bytes_;
};

}  // namespace rdusim
