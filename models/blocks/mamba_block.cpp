// See mamba_block.h.
#include "models/blocks/mamba_block.h"

#include <fmt/format.h>

#include "models/derived.h"

namespace rdusim::models {

using compiler::Attribute;
using compiler::OpKind;

ValueId mamba_mixer(Net& net, const MambaSpec& s, int64_t layer, const std::string& tensor, ValueId x) {
  const int64_t hidden = net.cols(x);
  if (!net.request().tree.empty()) {
    net.fail(Error{ErrorCode::kUnsupported, net.full_name("scan"),
                   "a tree of candidates over a recurrent state", "it would need a state for every path"});
  }
  const std::string in_proj = tensor + "in_proj.weight";
  const std::vector<Attribute> place = {{"past_tokens", net.request().past_tokens},
                                        {"query_tokens", net.request().query_tokens}};
  const ValueId u = net.linear("x", x, s.inner, part_source(in_proj, 0, s.inner, 2 * s.inner));
  const ValueId z = net.linear("z", x, s.inner, part_source(in_proj, s.inner, s.inner, 2 * s.inner));
  const ValueId taps = net.weight("conv.w", s.taps, s.inner, transposed_source(tensor + "conv1d.weight"));
  const ValueId conv_bias = net.weight("conv.bias", 1, s.inner, tensor + "conv1d.bias");
  const ValueId conv_state =
      net.state(fmt::format("conv_state.{}", layer), s.taps, s.inner, net.request().activations);
  const ValueId mixed = net.op(OpKind::kCausalConv, "conv", {u, taps, conv_bias, conv_state}, place);
  const ValueId packed = net.linear("step_b_c", mixed, s.rank + 2 * s.states, tensor + "x_proj.weight");
  const ValueId low =
      net.op(OpKind::kSliceCols, "step_low", {packed}, {{"begin", int64_t{0}}, {"count", s.rank}});
  const ValueId bc =
      net.op(OpKind::kSliceCols, "b_c", {packed}, {{"begin", s.rank}, {"count", 2 * s.states}});
  const ValueId raw =
      net.linear("step_raw", low, s.inner, tensor + "dt_proj.weight", tensor + "dt_proj.bias");
  net.set_fp32(raw);
  const ValueId step = net.activation("step", raw, compiler::ActivationForm::kSoftplus);
  net.set_fp32(step);
  const ValueId a = net.weight_fp32("a", s.states, s.inner, decay_source(tensor + "A_log"));
  const ValueId d = net.weight_fp32("d", 1, s.inner, tensor + "D");
  const ValueId state = net.state(fmt::format("scan_state.{}", layer), s.states, s.inner, DType::kFp32);
  const ValueId y = net.op(OpKind::kSelectiveScan, "scan", {mixed, step, bc, a, d, state}, place);
  const ValueId gated = net.op(OpKind::kSwiGlu, "gated", {z, y});
  return net.linear("mixer_out", gated, hidden, tensor + "out_proj.weight");
}

Counts mamba_counts(const MambaSpec& s, int64_t hidden) {
  const int64_t products = hidden * 2 * s.inner + s.inner * s.taps + s.inner * (s.rank + 2 * s.states) +
                           s.rank * s.inner + s.inner * hidden;
  Counts counts;
  counts.macs = products;
  counts.total =
      products + s.inner /* conv bias */ + s.inner /* step bias */ + s.inner * s.states + s.inner /* D */;
  counts.active = counts.total;
  counts.state = s.inner * (s.states + s.taps);
  return counts;
}

}  // namespace rdusim::models
