// Group samba: SAMBA 1.7B against a Llama-3 1.6B of the same width (Ren et al., arXiv 2406.07522): throughput
// of prefill at 128K tokens and of decode at 64K, batch 16. The published ratios are measured on an A100 with
// the authors' code; the ratios of FLOPs and bytes alone are 4.33 and 4.09. Judged is that our models count
// the same; the times of our nodes stand beside the published ratios.
#include <fmt/format.h>

#include "cli/long_context.h"
#include "cli/validate/groups.h"

namespace rdusim::cli {
namespace {

constexpr const char* kCommand = "rdusim study long-context";
constexpr int64_t kPrompt = 131072;
constexpr int64_t kAnswer = 65536;

Result<std::pair<const LongContextPoint*, const LongContextPoint*>> both(
    const std::vector<LongContextPoint>& points, const LongContextChoice& choice, const std::string& node,
    const std::string& phase, int64_t tokens) {
  RDU_ASSIGN(const auto* samba, find_point(points, node, choice.models[0], phase, tokens));
  RDU_ASSIGN(const auto* llama, find_point(points, node, choice.models[1], phase, tokens));
  return std::pair{samba, llama};
}

Status add_counts(ValidationContext& context, const LongContextChoice& choice,
                  const std::vector<LongContextPoint>& points, ValidationRows& rows) {
  RDU_ASSIGN(const double samba, prefill_flops(context.session, choice.models[0], kPrompt));
  RDU_ASSIGN(const double llama, prefill_flops(context.session, choice.models[1], kPrompt));
  const char* source = "derived from the configurations, logits of every position";
  rows.push_back({"samba-prefill-flops", "FLOPs of a 128K prompt, SAMBA 1.7B", source,
                  Published::exactly(4.83e14), samba, "FLOP", 3, kCommand, ""});
  rows.push_back({"llama-prefill-flops", "FLOPs of a 128K prompt, Llama-3 1.6B", source,
                  Published::exactly(2.09e15), llama, "FLOP", 3, kCommand, ""});
  rows.push_back({"samba-prefill-count-ratio", "FLOPs of Llama-3 1.6B over SAMBA 1.7B, 128K prompt", source,
                  Published::exactly(4.33), llama / samba, "x", 3, kCommand, ""});
  RDU_ASSIGN(const auto decode, both(points, choice, "a100", "decode", kAnswer));
  rows.push_back({"samba-decode-count-ratio", "bytes of Llama-3 1.6B over SAMBA 1.7B, 64K answer", source,
                  Published::exactly(4.09), decode.second->hbm_bytes / decode.first->hbm_bytes, "x", 3,
                  kCommand, ""});
  return {};
}

}  // namespace

Result<ValidationRows> samba_rows(ValidationContext& context) {
  LongContextChoice choice;
  choice.prompts = {kPrompt};
  choice.answers = {kAnswer};
  RDU_ASSIGN(const auto points, long_context_points(context.session, choice, context.progress));
  ValidationRows rows;
  RDU_CHECK_OK(add_counts(context, choice, points, rows));
  for (const std::string& node : choice.nodes) {
    RDU_ASSIGN(const auto prefill, both(points, choice, node, "prefill", kPrompt));
    RDU_ASSIGN(const auto decode, both(points, choice, node, "decode", kAnswer));
    rows.push_back({"samba-prefill-128k-" + node,
                    "prefill throughput, 128K prompt, over Llama-3 1.6B, " + node,
                    "arXiv 2406.07522, measured on an A100",
                    Published::exactly(3.73),
                    prefill.first->tokens_per_s() / prefill.second->tokens_per_s(),
                    "x",
                    {},
                    kCommand,
                    ""});
    rows.push_back({"samba-decode-64k-" + node,
                    "decode throughput, 64K answer, over Llama-3 1.6B, " + node,
                    "arXiv 2406.07522, measured on a GPU",
                    Published::exactly(3.64),
                    decode.first->tokens_per_s() / decode.second->tokens_per_s(),
                    "x",
                    {},
                    kCommand,
                    ""});
  }
  return rows;
}

}  // namespace rdusim::cli
