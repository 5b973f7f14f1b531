// Group medusa: Vicuna-7B with Medusa heads (Cai et al., arXiv 2401.10774): tokens a step from the published
// accuracies of the heads, the overhead of a step that verifies 64 candidates from our simulation, the
// speed-up of both. The logged accuracies are those of the first release, on a frozen base model (Medusa-1).
#include <fmt/format.h>

#include "cli/medusa.h"
#include "cli/validate/groups.h"

namespace rdusim::cli {

Result<ValidationRows> medusa_rows(ValidationContext& context) {
  MedusaChoice choice;
  choice.contexts = {1024};  // MT-bench conversations: some hundred tokens of prompt and answer
  RDU_ASSIGN(const auto study, medusa_study(context.session, choice, context.progress));
  const MedusaStep& step = study.steps.front();
  const char* command = "rdusim study medusa --context 1024";
  ValidationRows rows;
  rows.push_back({"medusa-tokens-a-step", "tokens a step, 63 paths, logged accuracies of Vicuna-7B's heads",
                  "derived from medusa_acc.csv (FasterDecoding/Medusa)", Published::between(2.34, 2.35),
                  study.tokens_a_step, "tokens", 0, command, ""});
  rows.push_back({"medusa-overhead",
                  "a step with 64 candidates over a plain one, 1024 cached tokens",
                  "arXiv 2401.10774 Table 1, measured on an A100",
                  Published::exactly(1.22),
                  step.overhead(),
                  "x",
                  {},
                  command,
                  ""});
  rows.push_back({"medusa-speed-up-1",
                  "speed-up from the logged accuracies and our overhead",
                  "arXiv 2401.10774: Medusa-1, Vicuna-7B",
                  Published::exactly(2.18),
                  study.tokens_a_step / step.overhead(),
                  "x",
                  {},
                  command,
                  ""});
  constexpr double kMedusa2Tokens =
      3.47;  // acceleration rate of Medusa-2, Vicuna-7B, arXiv 2401.10774 Table 1
  rows.push_back({"medusa-speed-up-2",
                  "speed-up from the published 3.47 tokens a step and our overhead",
                  "arXiv 2401.10774: Medusa-2, Vicuna-7B",
                  Published::exactly(2.83),
                  kMedusa2Tokens / step.overhead(),
                  "x",
                  {},
                  command,
                  ""});
  return rows;
}

}  // namespace rdusim::cli
