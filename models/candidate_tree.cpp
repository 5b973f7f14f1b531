#include "models/candidate_tree.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "base/check.h"

namespace rdusim::models {
namespace {

Error tree_error(const std::string& where, std::string what) {
  return Error{ErrorCode::kInvalidInput, where, std::move(what),
               "a path is a list of ranks, after every path that it continues: 0, then 0 0, then 1"};
}

}  // namespace

Result<CandidateTree> CandidateTree::from_paths(const std::vector<std::vector<int64_t>>& paths) {
  CandidateTree tree;
  std::map<std::vector<int64_t>, int64_t> known = {{{}, 0}};
  for (const std::vector<int64_t>& path : paths) {
    const std::string name = fmt::format("path {}", fmt::join(path, " "));
    if (path.empty()) return tree_error("candidate tree", "an empty path");
    if (*std::min_element(path.begin(), path.end()) < 0) return tree_error(name, "a rank below 0");
    const auto parent = known.find({path.begin(), path.end() - 1});
    if (parent == known.end()) return tree_error(name, "comes before the path that it continues");
    const int64_t depth = tree.nodes_[static_cast<size_t>(parent->second)].depth + 1;
    const auto number = static_cast<int64_t>(tree.nodes_.size());
    if (!known.emplace(path, number).second) return tree_error(name, "occurs twice");
    tree.nodes_.push_back({parent->second, depth, path.back()});
  }
  return tree;
}

Result<CandidateTree> CandidateTree::from_text(const std::string& text, const std::string& where) {
  std::vector<std::vector<int64_t>> paths;
  std::istringstream lines(text);
  int64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.empty() || line.front() == '#') continue;
    std::istringstream words(line);
    std::vector<int64_t> path;
    for (int64_t rank = 0; words >> rank;) path.push_back(rank);
    if (!words.eof()) return tree_error(fmt::format("{}:{}:1", where, number), "'" + line + "' is no path");
    paths.push_back(std::move(path));
  }
  return from_paths(paths);
}

std::vector<int64_t> CandidateTree::parents() const {
  std::vector<int64_t> parents;
  for (const Node& node : nodes_) parents.push_back(node.parent);
  return parents;
}

int64_t CandidateTree::depth() const {
  int64_t deepest = 0;
  for (const Node& node : nodes_) deepest = std::max(deepest, node.depth);
  return deepest;
}

int64_t CandidateTree::max_rank() const {
  int64_t most = 0;
  for (const Node& node : nodes_) most = std::max(most, node.rank);
  return most;
}

double CandidateTree::expected_tokens(const std::vector<std::vector<double>>& top) const {
  std::vector<double> accepted(nodes_.size(), 1.0);
  double sum = 1;
  for (size_t i = 1; i < nodes_.size(); ++i) {
    const Node& node = nodes_[i];
    const auto head = static_cast<size_t>(node.depth - 1);
    const auto rank = static_cast<size_t>(node.rank);
    const bool known = head < top.size() && rank < top[head].size();
    const double right = known ? top[head][rank] - (rank > 0 ? top[head][rank - 1] : 0.0) : 0.0;
    accepted[i] = accepted[static_cast<size_t>(node.parent)] * right;
    sum += accepted[i];
  }
  return sum;
}

std::vector<int64_t> CandidateTree::tokens(int64_t root,
                                           const std::vector<std::vector<int64_t>>& candidates) const {
  std::vector<int64_t> tokens = {root};
  for (size_t i = 1; i < nodes_.size(); ++i) {
    const auto head = static_cast<size_t>(nodes_[i].depth - 1);
    const auto rank = static_cast<size_t>(nodes_[i].rank);
    RDU_CHECK(head < candidates.size() && rank < candidates[head].size(), "no candidate {} of head {}", rank,
              head);
    tokens.push_back(candidates[head][rank]);
  }
  return tokens;
}

std::vector<int64_t> CandidateTree::accept(const std::vector<int64_t>& tokens,
                                           const std::vector<int64_t>& chosen) const {
  RDU_CHECK(tokens.size() == nodes_.size() && chosen.size() == nodes_.size(), "{} tokens of {} nodes",
            tokens.size(), nodes_.size());
  std::vector<bool> accepted(nodes_.size(), false);
  accepted[0] = true;
  size_t best = 0;
  for (size_t i = 1; i < nodes_.size(); ++i) {
    const auto parent = static_cast<size_t>(nodes_[i].parent);
    accepted[i] = accepted[parent] && tokens[i] == chosen[parent];
    if (accepted[i] && nodes_[i].depth > nodes_[best].depth) best = i;
  }
  std::vector<int64_t> path;
  for (auto at = static_cast<int64_t>(best); at >= 0; at = nodes_[static_cast<size_t>(at)].parent)
    path.push_back(at);
  std::reverse(path.begin(), path.end());
  return path;
}

std::vector<int64_t> depths_of(const std::vector<int64_t>& parents) {
  std::vector<int64_t> depths;
  for (const int64_t parent : parents)
    depths.push_back(parent < 0 ? 0 : depths[static_cast<size_t>(parent)] + 1);
  return depths;
}

}  // namespace rdusim::models
