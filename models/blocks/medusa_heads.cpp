// See medusa_heads.h.
#include "models/blocks/medusa_heads.h"

#include <fmt/format.h>

namespace rdusim::models {

Counts medusa_counts(const MedusaHeads& m) {
  Counts counts;
  const int64_t products = m.blocks * m.hidden * m.hidden + m.hidden * m.vocabulary;
  counts.total = m.heads * (products + m.blocks * m.hidden);
  counts.active = counts.total;
  counts.macs = m.heads * products;
  return counts;
}

void add_medusa_heads(Net& net, const MedusaHeads& m, ValueId x) {
  for (int64_t head = 0; head < m.heads; ++head) {
    const std::string tensor = fmt::format("{}{}.", m.tensor_prefix, head);
    const std::string name = fmt::format("medusa.{}.", head);
    ValueId r = x;
    for (int64_t block = 0; block < m.blocks; ++block) {
      const std::string at = fmt::format("{}{}.", name, block);
      const std::string linear = fmt::format("{}{}.linear.", tensor, block);
      const ValueId inner = net.linear(at + "linear", r, m.hidden, linear + "weight", linear + "bias");
      r = net.add(at + "residual", r, net.activation(at + "silu", inner, compiler::ActivationForm::kSilu));
    }
    const ValueId logits = net.linear(fmt::format("medusa_logits.{}", head), r, m.vocabulary,
                                      fmt::format("{}{}.weight", tensor, m.blocks), "", name + "head");
    net.set_fp32(logits);
    net.set_output(logits);
  }
}

}  // namespace rdusim::models
