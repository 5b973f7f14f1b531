// Group kernel-looping: one launch that loops over equal layers (arXiv 2410.23668, KL): its gain, the share
// of the roofline, and the bytes and FLOPs of a token that KL Table 1 gives for Llama-3.1-8B at a context of
// 4096.
#include <fmt/format.h>

#include "cli/validate/groups.h"
#include "cli/validate/pass_run.h"

namespace rdusim::cli {
namespace {

constexpr double kGiB = 1 << 30;
constexpr int64_t kContext = 4096;  // KL Table 1

void add(ValidationRows& rows, const std::string& what, const char* source, Published published,
         double simulated, const char* unit, std::optional<double> tolerance_percent,
         const std::string& command) {
  rows.push_back({row_id(what), what, source, published, simulated, unit, tolerance_percent, command, ""});
}

Result<PassRun> decode(ValidationContext& context, const std::string& model, bool loop) {
  CompileChoice compile;
  compile.loop = loop;
  return run_pass(context, model, {"decode", 1, kContext}, compile, {});
}

double hbm_bytes(const RunResult& result) {
  int64_t sum = 0;
  for (const int64_t bytes : result.bytes[static_cast<size_t>(Wire::kHbm)]) sum += bytes;
  return static_cast<double>(sum);
}

// Of the time that the pass's bytes take at the peak of all sockets' HBM.
double roofline_share(const PassRun& run) {
  const double peak = run.node.chip.hbm.bandwidth_bytes_per_s * static_cast<double>(run.node.sockets);
  return hbm_bytes(run.result) / peak / run.result.latency_s();
}

// KL's Table 1 counts every weight as read; of the embedding table a decode step reads one row.
Status add_intensity(ValidationContext& context, ValidationRows& rows, const PassRun& run) {
  RDU_ASSIGN(const auto model, load_chosen_model(context.session, "llama-3.1-8b"));
  const models::ModelFacts facts = model->facts();
  const double weights = static_cast<double>(facts.weight_bytes);
  const double cache = static_cast<double>(facts.kv_bytes_per_token * kContext);
  const auto flops = static_cast<double>(run.program.flops);
  const char* source = "KL Table 1, GB read as GiB";
  add(rows, "Llama-3.1-8B weights", source, Published::exactly(14.9 * kGiB), weights, "B", 1,
      "rdusim models show llama-3.1-8b");
  add(rows, "Llama-3.1-8B KV cache at 4096 tokens", source, Published::exactly(0.5 * kGiB), cache, "B", 1,
      "rdusim models show llama-3.1-8b");
  add(rows, "Llama-3.1-8B weights and KV cache of a token", source, Published::exactly(15.4 * kGiB),
      weights + cache, "B", 1, "rdusim models show llama-3.1-8b");
  add(rows, "Llama-3.1-8B bytes a decode step reads", source, Published::exactly(15.4 * kGiB),
      hbm_bytes(run.result), "B", {}, run.command);
  add(rows, "Llama-3.1-8B FLOPs of a token", "KL Table 1 (20 GFLOP; digits unclear)",
      Published::exactly(20e9), flops, "FLOP", {}, run.command);
  add(rows, "Llama-3.1-8B operational intensity", "KL Table 1 (1.3 FLOP/byte)", Published::exactly(1.3),
      flops / (weights + cache), "FLOP/B", {}, run.command);
  return {};
}

}  // namespace

Result<ValidationRows> kernel_looping_rows(ValidationContext& context) {
  ValidationRows rows;
  for (const char* model : {"llama-3.2-1b", "llama-3.1-8b", "llama-3.1-70b"}) {
    RDU_ASSIGN(const PassRun calls, decode(context, model, false));
    RDU_ASSIGN(const PassRun loop, decode(context, model, true));
    add(rows, fmt::format("gain of looping, decode of {}", model), "KL abstract: up to 2.2x",
        Published::between(1, 2.2), calls.result.latency_s() / loop.result.latency_s(), "x", 0, loop.command);
    if (model != std::string("llama-3.1-8b")) continue;
    RDU_CHECK_OK(add_intensity(context, rows, loop));
    add(rows, "share of the HBM roofline, llama-3.1-8b looping",
        "public notes on KL: 78 %, 32 layers in one kernel", Published::exactly(0.78), roofline_share(loop),
        "-", 10, loop.command);
    // Derived: twice 21 % (KL abstract, a DGX H100) of 26.8 TB/s over 16.06 GB; "about 700".
    add(rows, "decode rate of llama-3.1-8b looping", "derived from KL's ratios: about 700 tokens/s",
        Published::exactly(700), 1 / loop.result.latency_s(), "tokens/s", 15, loop.command);
  }
  return rows;
}

}  // namespace rdusim::cli
