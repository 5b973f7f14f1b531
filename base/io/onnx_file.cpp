// Opening ONNX files and finding their tensors; see onnx_file.h.
#include "base/io/onnx_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/io/file.h"
#include "base/io/onnx_parser.h"

namespace rdusim {

const OnnxAttribute* OnnxNode::find(const std::string& attribute) const {
  const auto found = attributes.find(attribute);
  return found == attributes.end() ? nullptr : &found->second;
}

int64_t OnnxNode::integer(const std::string& attribute, int64_t otherwise) const {
  const OnnxAttribute* found = find(attribute);
  return found == nullptr ? otherwise : found->integer;
}

float OnnxNode::real(const std::string& attribute, float otherwise) const {
  const OnnxAttribute* found = find(attribute);
  return found == nullptr ? otherwise : found->real;
}

Result<OnnxFile> OnnxFile::open(const std::string& path) {
  RDU_ASSIGN(std::vector<uint8_t> bytes, read_binary_file(path));
  std::error_code failure;
  const std::filesystem::path folder =
      std::filesystem::canonical(std::filesystem::absolute(path, failure).parent_path(), failure);
  auto shared = std::make_shared<const std::vector<uint8_t>>(std::move(bytes));
  return OnnxParser(path, folder.string(), std::move(shared)).model();
}

Result<OnnxFile> OnnxFile::from_bytes(std::vector<uint8_t> bytes, const std::string& name) {
  return OnnxParser(name, "", std::make_shared<const std::vector<uint8_t>>(std::move(bytes))).model();
}

const OnnxTensor* OnnxFile::initializer(const std::string& name) const {
  const auto found = initializer_index_.find(name);
  return found == initializer_index_.end() ? nullptr : &initializers_[found->second];
}

std::vector<std::string> OnnxFile::files() const {
  std::set<std::string> external;
  for (const OnnxTensor& tensor : initializers_) {
    if (!tensor.external_path.empty()) external.insert(tensor.external_path);
  }
  std::vector<std::string> all = {path_};
  all.insert(all.end(), external.begin(), external.end());
  return all;
}

Result<Tensor> OnnxFile::read(const OnnxTensor& tensor) const {
  return OnnxParser::convert(tensor, *bytes_, path_);
}

Result<NamedTensor> read_onnx_tensor(const std::string& path) {
  RDU_ASSIGN(std::vector<uint8_t> bytes, read_binary_file(path));
  const auto shared = std::make_shared<const std::vector<uint8_t>>(std::move(bytes));
  RDU_ASSIGN(const OnnxTensor tensor, OnnxParser(path, "", shared).tensor());
  RDU_ASSIGN(Tensor values, OnnxParser::convert(tensor, *shared, path));
  return NamedTensor{tensor.name, std::move(values)};
}

}  // namespace rdusim
