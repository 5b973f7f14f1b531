// Throughput of models over the length of prompt and answer, on RDU nodes and GPU nodes: what a bounded state
// (SAMBA: a window of keys and a recurrent state) is worth against a cache that grows. As the SAMBA paper
// measures (Ren et al., arXiv 2406.07522): a prefill measurement has as many prompts as make
// kTokensAMeasurement tokens, answers come to a batch of 16.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/progress.h"
#include "cli/session.h"

namespace rdusim::cli {

struct LongContextChoice {
  std::vector<std::string> nodes = {"sn40l-8", "a100"};
  std::vector<std::string> models = {"samba-1.7b", "llama-3-1.6b-samba-baseline"};
  std::vector<int64_t> prompts = {1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072};
  std::vector<int64_t> answers = {1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072};
  int64_t tokens_a_measurement = 131072;  // of prefill: prompts = this / their length, at least one
  int64_t batch = 16;                     // of decode
  std::string stack;                      // of RDU nodes; empty: the node's default
};

struct LongContextPoint {
  std::string node;
  std::string model;
  std::string phase;   // "prefill", "decode"
  int64_t tokens = 0;  // of each prompt, of each answer
  int64_t batch = 0;
  double seconds = 0;    // of all sequences' tokens together
  double hbm_bytes = 0;  // of the whole node
  [[nodiscard]] double tokens_per_s() const {
    return static_cast<double>(tokens) * static_cast<double>(batch) / seconds;
  }
};

// Points in the order node, phase, model, tokens. Prompts run one sequence a pass, one pass after the other;
// an answer begins after one token. RDU nodes at event fidelity.
Result<std::vector<LongContextPoint>> long_context_points(Session& session, const LongContextChoice& choice,
                                                          Progress& progress);
// FLOPs of one sequence's prefill with logits of every position, by the operators' costs.
Result<double> prefill_flops(Session& session, const std::string& model, int64_t tokens);
// The point of these four, or an error that names what is missing.
Result<const LongContextPoint*> find_point(const std::vector<LongContextPoint>& points,
                                           const std::string& node, const std::string& model,
                                           const std::string& phase, int64_t tokens);

}  // namespace rdusim::cli
