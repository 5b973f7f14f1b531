// See model.h.
#include "models/onnx/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "compiler/ops/op.h"
#include "models/request.h"

namespace rdusim::models {
namespace onnx {

Result<Import> import_graph(const OnnxFile& file, const GraphRequest& request, const std::string& name) {
  return Importer(file, request, name).run();
}

DType stored_weights(const OnnxFile& file) {
  const auto holds = [&file](StoredType type) {
    return std::any_of(file.initializers().begin(), file.initializers().end(),
                       [type](const OnnxTensor& tensor) { return tensor.type == type; });
  };
  if (holds(StoredType::kF32) || holds(StoredType::kF64)) return DType::kFp32;
  return holds(StoredType::kF16) ? DType::kFp16 : DType::kBf16;
}

}  // namespace onnx

namespace {

class OnnxModel : public Model {
 public:
  OnnxModel(std::string name, OnnxFile file)
      : name_(std::move(name)), file_(std::move(file)), cached_(!onnx::past_inputs(file_).empty()) {}

  [[nodiscard]] std::string family() const override { return "onnx"; }
  [[nodiscard]] int64_t layers() const override { return 1; }
  [[nodiscard]] bool supports(Phase phase) const override {
    return cached_ ? phase == Phase::kPrefill || phase == Phase::kDecode : phase == Phase::kEncode;
  }

  // Of the real-valued initialisers, and the work of one token, by the operators of the graph.
  [[nodiscard]] ModelFacts facts() const override {
    ModelFacts facts;
    for (const OnnxTensor& tensor : file_.initializers()) {
      const bool real = tensor.type == StoredType::kF32 || tensor.type == StoredType::kF16 ||
                        tensor.type == StoredType::kBf16 || tensor.type == StoredType::kF64;
      if (real) facts.total_parameters += tensor.shape.elements();
    }
    facts.kv_bytes_per_token = kv_bytes_per_token();
    facts.active_parameters = facts.total_parameters;
    facts.weight_bytes = 2 * facts.total_parameters;
    facts.flops_per_token = 2 * facts.active_parameters;
    facts.matmul_flops_per_token = facts.flops_per_token;
    return facts;
  }

  [[nodiscard]] Result<compiler::Graph> build(const GraphRequest& request) const override {
    RDU_CHECK_OK(check_request(*this, request));
    RDU_ASSIGN(onnx::Import import, onnx::import_graph(file_, request, name_));
    double flops = 0;
    for (const compiler::Node& node : import.graph.nodes)
      flops += static_cast<double>(compiler::op_record(node.op).cost(import.graph, node).flops);
    RDU_CHECK_OK(check_work(flops));
    return std::move(import.graph);
  }

 private:
  // BF16; heads and columns that the file leaves open count as none.
  [[nodiscard]] int64_t kv_bytes_per_token() const {
    const std::set<std::string> past = onnx::past_inputs(file_);
    int64_t bytes = 0;
    for (const OnnxValueInfo& input : file_.inputs()) {
      if (!past.contains(input.name)) continue;
      const auto size = [&](size_t i) {
        return std::clamp<int64_t>(input.dimensions[i].size.value_or(0), 0, kMostCols);
      };
      bytes += 2 * size(1) * size(3);
    }
    return bytes;
  }

  static constexpr int64_t kMostCols = int64_t{1} << 24;
  std::string name_;
  OnnxFile file_;
  bool cached_;  // keys and values of earlier tokens come in: prefill (in chunks) and decode, not encode
};

}  // namespace

std::optional<std::string> onnx_path(const std::string& name) {
  namespace fs = std::filesystem;
  std::error_code failure;
  if (fs::path(name).extension() == ".onnx" && fs::is_regular_file(name, failure)) return name;
  const fs::path inside = fs::path(name) / "model.onnx";
  const bool configured = fs::exists(fs::path(name) / "config.json", failure);
  if (!name.empty() && !configured && fs::is_regular_file(inside, failure)) return inside.string();
  return std::nullopt;
}

Result<std::unique_ptr<Model>> load_onnx_model(const std::string& path) {
  namespace fs = std::filesystem;
  RDU_ASSIGN(OnnxFile file, OnnxFile::open(path));
  const fs::path whole = fs::path(path).lexically_normal();
  const bool plain = whole.filename() == "model.onnx" && whole.has_parent_path();
  const std::string name = (plain ? whole.parent_path().filename() : whole.stem()).string();
  return std::unique_ptr<Model>(std::make_unique<OnnxModel>(name, std::move(file)));
}

}  // namespace rdusim::models
