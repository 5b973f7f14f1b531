// Candidate trees of speculative decoding (Medusa): several continuations of a sequence, verified in one
// pass.
//
// Node 0 is the token that the base model chose; every other node is one more token after its parent, the
// rank-th most likely of the head of its depth (head 0 at depth 1). The pass takes all nodes as the new rows
// of a sequence: a node stands at position past + depth and sees the cache, its ancestors and itself.
// Accepted is the longest path whose every node is what the model chooses after its parent (greedy; Cai et
// al., arXiv 2401.10774, Sec 2.3.1 with temperature 0).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace rdusim::models {

class CandidateTree {
 public:
  struct Node {
    int64_t parent = -1;  // of node 0: -1
    int64_t depth = 0;
    int64_t rank = 0;  // 0: the head's most likely token
  };

  CandidateTree() : nodes_(1) {}
  // Paths of ranks from below node 0, each after all its beginnings: {{0}, {0, 0}, {1}}. Fails on a path that
  // is empty, occurs twice, has a rank below 0 or comes before its beginning.
  static Result<CandidateTree> from_paths(const std::vector<std::vector<int64_t>>& paths);
  // A line a path, ranks with blanks between; '#' begins a comment line. `where` is the file's name.
  static Result<CandidateTree> from_text(const std::string& text, const std::string& where);

  [[nodiscard]] const std::vector<Node>& nodes() const { return nodes_; }
  [[nodiscard]] std::vector<int64_t> parents() const;
  [[nodiscard]] int64_t depth() const;     // of the deepest node: heads that are used
  [[nodiscard]] int64_t max_rank() const;  // candidates that a head must give, less one

  // Tokens a step under independence: 1 and, for each node below 0, the probability that it is accepted.
  // top[head][k]: probability that the right token is among the head's k + 1 most likely. Ranks and heads
  // beyond it count as never right, so the result is a lower bound. Never fewer than 1.
  [[nodiscard]] double expected_tokens(const std::vector<std::vector<double>>& top) const;

  // Token of every node: `root`, then by rank from the heads' rows. candidates[head][rank].
  [[nodiscard]] std::vector<int64_t> tokens(int64_t root,
                                            const std::vector<std::vector<int64_t>>& candidates) const;
  // The longest accepted path, node 0 first. chosen[i]: the token that the model chooses after node i.
  [[nodiscard]] std::vector<int64_t> accept(const std::vector<int64_t>& tokens,
                                            const std::vector<int64_t>& chosen) const;

 private:
  std::vector<Node> nodes_;
};

// Depth of every node of a tree given by its parents (parents[0] = -1, parents[i] < i).
std::vector<int64_t> depths_of(const std::vector<int64_t>& parents);

}  // namespace rdusim::models
