// ModelProto, GraphProto, NodeProto, AttributeProto and ValueInfoProto by their field numbers; fields that
// say nothing of the arithmetic are passed over. Tensors: onnx_tensor.cpp.
#include "base/io/onnx_parser.h"

#include <fmt/format.h>

#include <utility>

namespace rdusim {
namespace {

// Calls `use` (const WireField&) -> Status for every field.
template <typename Use>
Status each_field(WireReader& reader, Use use) {
  while (true) {
    RDU_ASSIGN(const std::optional<WireField> field, reader.next());
    if (!field) return {};
    RDU_CHECK_OK(use(*field));
  }
}

}  // namespace

Result<OnnxFile> OnnxParser::model() {
  constexpr uint64_t kGraph = 7, kOpsetImport = 8, kDomain = 1, kVersion = 2;
  OnnxFile file;
  file.path_ = path_;
  file.bytes_ = bytes_;
  WireReader reader = whole();
  bool has_graph = false;
  Status read = each_field(reader, [&](const WireField& field) -> Status {
    if (field.number == kGraph) {
      if (has_graph) return reader.error(field.offset, "a second graph");
      has_graph = true;
      RDU_ASSIGN(WireReader inner, reader.inside(field));
      return graph(inner, file);
    }
    if (field.number != kOpsetImport) return {};
    RDU_ASSIGN(WireReader inner, reader.inside(field));
    std::string domain;
    int64_t version = 0;
    RDU_CHECK_OK(each_field(inner, [&](const WireField& f) -> Status {
      if (f.number == kDomain) domain = f.text();
      if (f.number == kVersion) version = f.integer();
      return {};
    }));
    if (domain.empty() || domain == "ai.onnx") file.opset_ = version;
    return {};
  });
  RDU_CHECK_OK(std::move(read));
  if (!has_graph) return reader.error(0, "no graph: this is no ONNX model");
  return file;
}

Status OnnxParser::graph(WireReader reader, OnnxFile& file) {
  constexpr uint64_t kNode = 1, kName = 2, kInitializer = 5, kInput = 11, kOutput = 12, kSparse = 15;
  std::vector<OnnxValueInfo> inputs;
  Status read = each_field(reader, [&](const WireField& field) -> Status {
    if (field.number == kSparse) return reader.error(field.offset, "sparse initialisers are not supported");
    if (field.number == kName) file.graph_name_ = field.text();
    if (field.number != kNode && field.number != kInitializer && field.number != kInput &&
        field.number != kOutput)
      return {};
    RDU_ASSIGN(const WireReader inner, reader.inside(field));
    if (field.number == kNode) {
      RDU_ASSIGN(OnnxNode next, node(inner, field.offset));
      file.nodes_.push_back(std::move(next));
    } else if (field.number == kInitializer) {
      RDU_ASSIGN(OnnxTensor next, tensor(inner, field.offset));
      if (next.name.empty()) return reader.error(field.offset, "an initialiser without a name");
      if (!file.initializer_index_.emplace(next.name, file.initializers_.size()).second)
        return reader.error(field.offset, fmt::format("two initialisers are called {}", next.name));
      file.initializers_.push_back(std::move(next));
    } else {
      RDU_ASSIGN(OnnxValueInfo next, value_info(inner, field.offset));
      (field.number == kInput ? inputs : file.outputs_).push_back(std::move(next));
    }
    return {};
  });
  RDU_CHECK_OK(std::move(read));
  // Up to IR 3 initialisers are inputs too.
  for (OnnxValueInfo& input : inputs) {
    if (!file.initializer_index_.contains(input.name)) file.inputs_.push_back(std::move(input));
  }
  return {};
}

Result<OnnxNode> OnnxParser::node(WireReader reader, int64_t offset) {
  constexpr uint64_t kInput = 1, kOutput = 2, kName = 3, kOpType = 4, kAttribute = 5, kDomain = 7;
  OnnxNode result;
  result.file_offset = offset;
  Status read = each_field(reader, [&](const WireField& field) -> Status {
    switch (field.number) {
      case kInput:
        result.inputs.push_back(field.text());
        return {};
      case kOutput:
        result.outputs.push_back(field.text());
        return {};
      case kName:
        result.name = field.text();
        return {};
      case kOpType:
        result.op_type = field.text();
        return {};
      case kDomain:
        result.domain = field.text();
        return {};
      case kAttribute: {
        RDU_ASSIGN(const WireReader inner, reader.inside(field));
        return attribute(inner, result);
      }
      default:
        return {};
    }
  });
  RDU_CHECK_OK(std::move(read));
  return result;
}

Status OnnxParser::attribute(WireReader reader, OnnxNode& node) {
  constexpr uint64_t kName = 1, kReal = 2, kInteger = 3, kText = 4, kTensor = 5, kGraph = 6, kReals = 7,
                     kIntegers = 8, kGraphs = 11;
  std::string name;
  OnnxAttribute result;
  Status read = each_field(reader, [&](const WireField& field) -> Status {
    switch (field.number) {
      case kName:
        name = field.text();
        return {};
      case kReal:
        RDU_CHECK_OK(reader.expect(field, WireType::kFixed32));
        result.real = field.real();
        return {};
      case kInteger:
        RDU_CHECK_OK(reader.expect(field, WireType::kVarint));
        result.integer = field.integer();
        return {};
      case kText:
        result.text = field.text();
        return {};
      case kTensor: {
        RDU_ASSIGN(const WireReader inner, reader.inside(field));
        RDU_ASSIGN(result.tensor, tensor(inner, field.offset));
        return {};
      }
      case kReals:
        return reader.append_floats(field, result.reals);
      case kIntegers:
        return reader.append_varints(field, result.integers);
      case kGraph:
      case kGraphs:
        result.graph = true;
        return {};
      default:
        return {};
    }
  });
  RDU_CHECK_OK(std::move(read));
  node.attributes[name] = std::move(result);
  return {};
}

Result<OnnxValueInfo> OnnxParser::value_info(WireReader reader, int64_t offset) {
  constexpr uint64_t kName = 1, kType = 2, kTensorType = 1;
  OnnxValueInfo info;
  info.file_offset = offset;
  Status read = each_field(reader, [&](const WireField& field) -> Status {
    if (field.number == kName) info.name = field.text();
    if (field.number != kType) return {};
    RDU_ASSIGN(WireReader type, reader.inside(field));
    return each_field(type, [&](const WireField& f) -> Status {
      if (f.number != kTensorType) return type.error(f.offset, "a value that is no tensor");
      RDU_ASSIGN(const WireReader inner, type.inside(f));
      return tensor_type(inner, info);
    });
  });
  RDU_CHECK_OK(std::move(read));
  return info;
}

Result<OnnxDimension> OnnxParser::dimension(WireReader reader) {
  constexpr uint64_t kSize = 1, kParameter = 2;
  OnnxDimension result;
  Status read = each_field(reader, [&](const WireField& field) -> Status {
    if (field.number == kSize) {
      RDU_CHECK_OK(reader.expect(field, WireType::kVarint));
      result.size = field.integer();
    }
    if (field.number == kParameter) result.parameter = field.text();
    return {};
  });
  RDU_CHECK_OK(std::move(read));
  return result;
}

}  // namespace rdusim
