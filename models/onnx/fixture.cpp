// See fixture.h.
#include "models/onnx/fixture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "base/dtype.h"
#include "models/onnx/model.h"

namespace rdusim::models {
namespace {

constexpr double kFp32Error = 1e-3;
constexpr double kBf16Error = 0.04;
constexpr double kBf16Cosine = 0.995;

// input_0.pb, input_1.pb ...: by the names they carry, or in the order of the file's values.
Result<TensorMap> read_tensors(const std::filesystem::path& folder, const std::string& kind,
                               const std::vector<OnnxValueInfo>& values) {
  TensorMap tensors;
  for (size_t i = 0;; ++i) {
    const std::filesystem::path path = folder / fmt::format("{}_{}.pb", kind, i);
    if (!std::filesystem::exists(path)) return tensors;
    RDU_ASSIGN(NamedTensor named, read_onnx_tensor(path.string()));
    const bool known = std::any_of(values.begin(), values.end(),
                                   [&](const OnnxValueInfo& value) { return value.name == named.name; });
    if (!known && i >= values.size())
      return Error{ErrorCode::kInvalidInput, path.string(),
                   fmt::format("the model has {} {}s", values.size(), kind), ""};
    tensors[known ? named.name : values[i].name] = std::move(named.tensor);
  }
}

// [batch, heads, tokens, columns] as rows of a cache: of each sequence `capacity`, heads side by side.
Tensor cache_of(const Tensor& tensor, int64_t capacity) {
  const std::vector<int64_t>& d = tensor.shape.dims;
  Tensor cache(d[0] * capacity, d[1] * d[3]);
  for (size_t i = 0; i < tensor.values.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const int64_t token = at / d[3] % d[2];
    const int64_t head = at / d[3] / d[2] % d[1];
    const int64_t sequence = at / d[3] / d[2] / d[1];
    cache.at(sequence * capacity + token, head * d[3] + at % d[3]) = tensor.values[i];
  }
  return cache;
}

// Graphs see matrices: integers in one column.
Tensor as_matrix(Tensor tensor, const Shape& shape) {
  tensor.shape = shape;
  return tensor;
}

class Check {
 public:
  Check(const OnnxFixture& fixture, const FixtureOptions& options) : fixture_(fixture), options_(options) {
    report_.name = fixture.name;
    report_.dtype = options.activations;
  }

  Status run(const OnnxFixture::Set& set, const ExecutorMaker& make_executor) {
    GraphRequest request;
    request.phase = Phase::kEncode;
    request.activations = options_.activations;
    request.weights = onnx::stored_weights(fixture_.file);
    bind_sizes(set, request);
    if (!onnx::past_inputs(fixture_.file).empty())
      request.phase = request.query_tokens == 1 ? Phase::kDecode : Phase::kPrefill;
    RDU_ASSIGN(const onnx::Import import, onnx::import_graph(fixture_.file, request, fixture_.name));
    const WeightSource source([&](const std::string& name) { return import.read(fixture_.file, name); });
    TensorMap inputs;
    for (const auto& port : import.inputs) {
      const auto given = set.inputs.find(port.name);
      const Shape dims{port.dims};
      if (given == set.inputs.end() || given->second.shape.elements() != dims.elements())
        return Error{ErrorCode::kInvalidInput, fmt::format("fixture {}, input {}", fixture_.name, port.name),
                     "missing, or of another shape than the model's", ""};
      const auto value = std::find_if(import.graph.values.begin(), import.graph.values.end(),
                                      [&](const compiler::Value& v) { return v.name == port.value; });
      inputs[port.value] = as_matrix(given->second, value->shape);
    }
    for (const auto& assumed : import.assumed) {
      const auto given = set.inputs.find(assumed.name);
      if (given != set.inputs.end() && given->second.values != assumed.values.values)
        return Error{ErrorCode::kUnsupported,
                     fmt::format("fixture {}, input {}", fixture_.name, assumed.name),
                     "a padded sequence, or positions that do not follow one another", ""};
    }
    TensorMap caches;
    for (const auto& cache : import.caches) {
      const auto given = set.inputs.find(cache.past);
      if (given == set.inputs.end() || given->second.shape.dims != cache.dims)
        return Error{ErrorCode::kInvalidInput, fmt::format("fixture {}, input {}", fixture_.name, cache.past),
                     "missing, or of another shape than the model's", ""};
      Tensor rows = cache_of(given->second, cache.capacity);
      if (options_.activations == DType::kBf16) {
        for (float& value : rows.values) value = round_to_bf16(value);
      }
      caches[cache.value] = std::move(rows);
    }
    RDU_ASSIGN(const TensorMap results, make_executor(source)(import.graph, inputs, caches));
    for (const auto& cache : import.caches) {
      const auto expected = set.outputs.find(cache.present);
      if (expected == set.outputs.end()) continue;
      if (expected->second.shape.dims.size() != 4)
        return Error{ErrorCode::kInvalidInput,
                     fmt::format("fixture {}, output {}", fixture_.name, cache.present),
                     "is no [batch, heads, tokens, columns]", ""};
      compare(cache.present, caches.at(cache.value), cache_of(expected->second, cache.capacity));
    }
    for (const auto& port : import.outputs) {
      const auto expected = set.outputs.find(port.name);
      if (expected != set.outputs.end()) compare(port.name, results.at(port.value), expected->second);
    }
    return {};
  }

  FixtureReport take() {
    report_.passed = report_.failures.empty() && report_.compared_tensors > 0;
    report_.top1_agreement = rows_ == 0 ? 1 : static_cast<double>(agreed_) / static_cast<double>(rows_);
    return std::move(report_);
  }

 private:
  // Open dimensions as the first input that is given has them, cached tokens as past keys and values do.
  void bind_sizes(const OnnxFixture::Set& set, GraphRequest& request) const {
    bool found = false;
    for (const OnnxValueInfo& input : fixture_.file.inputs()) {
      const auto given = set.inputs.find(input.name);
      if (given == set.inputs.end()) continue;
      const std::vector<int64_t>& dims = given->second.shape.dims;
      if (!dims.empty()) request.batch = dims[0];
      if (onnx::past_inputs(fixture_.file).contains(input.name)) {
        if (dims.size() == 4) request.past_tokens = dims[2];
        continue;
      }
      if (found || onnx::is_assumed(input)) continue;
      found = true;
      if (!dims.empty()) request.batch = dims[0];
      if (dims.size() > 1) request.query_tokens = dims[1];
    }
  }

  void compare(const std::string& name, const Tensor& found, const Tensor& expected) {
    ++report_.compared_tensors;
    if (found.values.size() != expected.values.size()) {
      report_.failures.push_back(
          fmt::format("{}: {} numbers, expected {}", name, found.values.size(), expected.values.size()));
      return;
    }
    double largest = 1;
    double error = 0;
    for (size_t i = 0; i < expected.values.size(); ++i) {
      const double a = static_cast<double>(found.values[i]);
      const double b = static_cast<double>(expected.values[i]);
      largest = std::max(largest, std::abs(b));
      error = std::max(error, std::isnan(a) ? std::numeric_limits<double>::infinity() : std::abs(a - b));
    }
    const int64_t cols = expected.cols();
    double cosine = 1;
    for (int64_t r = 0; r < expected.rows(); ++r)
      cosine = std::min(cosine, row_cosine(found, expected, r, cols));
    const bool fp32 = options_.activations == DType::kFp32;
    const double allowed = (fp32 ? kFp32Error : kBf16Error) * largest;
    if (error > allowed)
      report_.failures.push_back(fmt::format("{}: off by {:.3g}, allowed {:.3g}", name, error, allowed));
    if (!fp32 && cosine < kBf16Cosine)
      report_.failures.push_back(fmt::format("{}: cosine {:.6f}", name, cosine));
    report_.max_abs_error = std::max(report_.max_abs_error, error);
    report_.min_cosine = std::min(report_.min_cosine, cosine);
  }

  double row_cosine(const Tensor& found, const Tensor& expected, int64_t row, int64_t cols) {
    double dot = 0, aa = 0, bb = 0;
    int64_t best_a = 0, best_b = 0;
    const auto at = [&](const Tensor& t, int64_t c) {
      return static_cast<double>(t.values[static_cast<size_t>(row * cols + c)]);
    };
    for (int64_t c = 0; c < cols; ++c) {
      const double a = at(found, c), b = at(expected, c);
      dot += a * b;
      aa += a * a;
      bb += b * b;
      if (a > at(found, best_a)) best_a = c;
      if (b > at(expected, best_b)) best_b = c;
    }
    ++rows_;
    if (best_a == best_b) ++agreed_;
    return aa == 0 && bb == 0 ? 1 : dot / std::sqrt(aa * bb);
  }

  const OnnxFixture& fixture_;
  const FixtureOptions& options_;
  FixtureReport report_;
  int64_t rows_ = 0;
  int64_t agreed_ = 0;
};

}  // namespace

Result<OnnxFixture> load_onnx_fixture(const std::string& folder) {
  namespace fs = std::filesystem;
  const fs::path lexical = fs::path(folder).lexically_normal();
  const fs::path path = lexical.has_filename() ? lexical : lexical.parent_path();
  OnnxFixture fixture;
  fixture.name = path.filename().string();
  RDU_ASSIGN(fixture.file, OnnxFile::open((path / "model.onnx").string()));
  for (int i = 0; fs::is_directory(path / fmt::format("test_data_set_{}", i)); ++i) {
    const fs::path set = path / fmt::format("test_data_set_{}", i);
    OnnxFixture::Set next;
    RDU_ASSIGN(next.inputs, read_tensors(set, "input", fixture.file.inputs()));
    RDU_ASSIGN(next.outputs, read_tensors(set, "output", fixture.file.outputs()));
    fixture.sets.push_back(std::move(next));
  }
  if (fixture.sets.empty())
    return Error{ErrorCode::kNotFound, path.string(), "there is no test_data_set_0",
                 "beside model.onnx: test_data_set_0/input_0.pb and output_0.pb"};
  return fixture;
}

Result<FixtureReport> check_onnx_fixture(const OnnxFixture& fixture, const FixtureOptions& options,
                                         const ExecutorMaker& make_executor) {
  Check check(fixture, options);
  for (const OnnxFixture::Set& set : fixture.sets) RDU_CHECK_OK(check.run(set, make_executor));
  return check.take();
}

}  // namespace rdusim::models
