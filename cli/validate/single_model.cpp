// Group single-model: serving of one model against LLM-Inference-Bench.
#include <fmt/format.h>

#include "cli/validate/groups.h"
#include "cli/validate/points.h"

namespace rdusim::cli {
namespace {

constexpr const char* kFile = "/published/llm_inference_bench.csv";
constexpr double kBatchOnePercent = 10;
// What is left out at batch: how the published build batches prefills, and its attention over several
// sequences.
constexpr double kBatchPercent = 25;

}  // namespace

Result<ValidationRows> single_model_rows(ValidationContext& context) {
  RDU_ASSIGN(const auto points, single_model_points(context, context.session.config.config_dir + kFile));
  ValidationRows rows;
  for (const PointResult& point : points) {
    if (!point.failure.empty()) return Error{ErrorCode::kUnsupported, point.model, point.failure, ""};
    const std::string model = point.model.substr(point.model.find_last_of('/') + 1);
    const std::string what = fmt::format("{} n={} batch={}", model, point.tokens, point.batch);
    // Llama-2-7B: an older build (configs/published/README.md).
    const bool judged = model != "Llama-2-7b-hf";
    const double allowed_percent = point.batch == 1 ? kBatchOnePercent : kBatchPercent;
    rows.push_back({row_id(what), what, "LLM-Inference-Bench", Published::exactly(point.published_s),
                    point.simulated_s, "s", judged ? std::optional<double>(allowed_percent) : std::nullopt,
                    std::string("rdusim validate --points configs") + kFile, ""});
  }
  return rows;
}

}  // namespace rdusim::cli
