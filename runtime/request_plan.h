// What one request makes the experts do: a directed acyclic graph of invocations. Contract for whoever runs
// it:
//
//   * A node may start when all nodes of its `after` have ended; nodes without any when the request is
//   admitted
//     (and routed). Nodes stand in topological order: `after` names smaller numbers only.
//   * `route_tokens` > 0: a router pass over that many tokens comes before the node, once.
//   * `copies` answers are sampled from one prompt: one prefill, `copies` decodes over a shared prefix.
//   * A request is finished when its last node is; its first token is the first one of an `answers` node.
//   * A node that cannot run fails its request, once.
//
// Stored flat, all requests together: 32 bytes a node and four an edge, so that millions of requests fit.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"

namespace rdusim::runtime {

struct Invocation {
  ExpertId expert;
  uint32_t prompt_tokens = 0;
  uint32_t output_tokens = 0;  // of each copy
  uint32_t copies = 1;
  uint32_t route_tokens = 0;  // read by the router before it; 0: not routed
  bool reads_request = true;  // its prompt begins with the request's
  bool answers = false;       // its output is the request's answer: nobody comes after it
  uint32_t after_begin = 0;   // in PlanSet::after_nodes
  uint32_t after_end = 0;
};

struct RequestPlans {
  std::vector<Invocation> nodes;  // request by request
  std::vector<uint32_t> begin;    // by request, one more at the end: its nodes are [begin[r], begin[r + 1])
  std::vector<uint32_t> after_nodes;  // numbers within the request
  std::vector<std::string> flows;     // names; 0 is the plain one
  std::vector<uint32_t> flow_of;      // by request

  [[nodiscard]] size_t requests() const { return begin.empty() ? 0 : begin.size() - 1; }
  [[nodiscard]] std::span<const Invocation> of(size_t request) const {
    return std::span(nodes).subspan(begin[request], begin[request + 1] - begin[request]);
  }
  [[nodiscard]] std::span<const uint32_t> after(const Invocation& node) const {
    return std::span(after_nodes).subspan(node.after_begin, node.after_end - node.after_begin);
  }
};

// The plans of some of the requests, in the order in which they are named.
RequestPlans plans_of(const RequestPlans& all, std::span<const uint32_t> requests);

// "" if the plans keep the contract above, else what breaks it.
std::string check_plans(const RequestPlans& plans, size_t experts);

}  // namespace rdusim::runtime
