// Speculative decoding with Medusa heads on a node: tokens a step from the heads' accuracies, the time of a
// step that verifies a tree of candidates from the simulator, and what both make of it.
//
//   speed-up = tokens a step / overhead      overhead = step with the tree and the heads / plain decode step
//
// (Cai et al., arXiv 2401.10774). A step runs the base model on all nodes of the tree, then all heads on all
// of them, as the published code does. Leaves out: choosing candidates and accepting a path (host, a few
// hundred comparisons) and moving the accepted rows of the cache (at most five rows a layer).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/inputs.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "models/candidate_tree.h"

namespace rdusim::cli {

struct MedusaChoice {
  std::string base = "vicuna-7b-v1.5";
  std::string heads = "medusa-vicuna-7b";
  std::string tree;        // file of paths; empty: configs/published/medusa_tree_7b_63.txt
  std::string accuracies;  // CSV model, head, top1 ...; empty: configs/published/medusa_heads.csv
  std::string accuracy_model = "vicuna-7b-v1.3";
  NodeChoice node;
  std::vector<int64_t> contexts = {128, 512, 1024, 2048, 4096};
  std::string fidelity = "event";
  bool loop = false;      // one launch over the layers
  bool prefetch = false;  // weights while a section is launched, or, looping, while one drains
};

struct MedusaStep {
  int64_t context = 0;
  double plain_s = 0;  // one token
  double tree_s = 0;   // base model on the tree
  double heads_s = 0;
  double host_s = 0;  // of any step
  [[nodiscard]] double overhead() const { return (tree_s + heads_s + host_s) / (plain_s + host_s); }
};

struct MedusaStudy {
  models::CandidateTree tree;
  double tokens_a_step = 0;  // a lower bound: ranks beyond the table count as never right
  std::vector<MedusaStep> steps;
};

Result<MedusaStudy> medusa_study(Session& session, const MedusaChoice& choice, Progress& progress);

}  // namespace rdusim::cli
