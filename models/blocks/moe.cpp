// See moe.h.
#include "models/blocks/moe.h"

namespace rdusim::models {

ValueId mixture(Net& net, const std::string& name, ValueId x, const MoeSpec& s) {
  using compiler::OpKind;
  const int64_t hidden = net.cols(x);
  // Router logits, and the weights made of them, are FP32 whatever the activations are.
  const ValueId logits = net.linear("router_logits", x, s.experts, s.router, "", "w_router");
  net.set_fp32(logits);
  const ValueId gate = net.op(OpKind::kMoeGate, "router_gate", {logits},
                              {{"k", s.k}, {"normalize", int64_t{s.normalize ? 1 : 0}}});
  net.set_fp32(gate);
  const ValueId gate_w = net.weight("w_gate", s.experts * s.inner, hidden, s.gate);
  const ValueId up_w = net.weight("w_up", s.experts * s.inner, hidden, s.up);
  const ValueId down_w = net.weight("w_down", s.experts * hidden, s.inner, s.down);
  return net.op(OpKind::kMoeExperts, name, {x, gate, gate_w, up_w, down_w},
                {{"experts", s.experts}, {"form", static_cast<int64_t>(s.form)}, {"k", s.k}});
}

}  // namespace rdusim::models
