#include "compiler/passes/fuse_cost.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>

#include "compiler/passes/routed_cost.h"

namespace rdusim::compiler {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max() / 4;

class Splitter {
 public:
  explicit Splitter(const Compilation& compilation)
      : last_(last_readers(compilation.graph)), mesh_(*compilation.chip) {
    trial_.chip = compilation.chip;
    trial_.effort = Effort::kRoughPrice;
    trial_.options = compilation.options;
    trial_.graph = compilation.graph;
    launch_cycles_ = static_cast<int64_t>(compilation.options.launch_s * compilation.chip->clock_hz);
  }

  // The pieces of a group, in order.
  Result<std::vector<Group>> split(const Group& group) {
    Group whole = group;
    const std::string signature = bind_externals(trial_.graph, whole, last_);
    auto known = borders_.find(signature);
    if (known == borders_.end()) {
      RDU_ASSIGN(Borders borders, find_borders(group));
      RDU_ASSIGN(const bool worth, worth_splitting(group, borders));
      if (!worth) borders.assign(1, {group.nodes.size(), "in pieces it would take longer"});
      known = borders_.emplace(signature, std::move(borders)).first;
    }
    std::vector<Group> pieces;
    size_t begin = 0;
    for (const auto& [end, reason] : known->second) {
      Group& piece = pieces.emplace_back(piece_of(group, begin, end));
      if (known->second.size() > 1) piece.name = fmt::format("{}.{}", group.name, pieces.size());
      piece.border = reason;
      begin = end;
    }
    return pieces;
  }

 private:
  using Borders = std::vector<std::pair<size_t, std::string>>;  // end of each piece, and why

  struct Price {
    int64_t cycles = kNever;
    std::string refusal;  // of a piece that does not fit
  };

  static Group piece_of(const Group& group, size_t begin, size_t end) {
    Group piece;
    piece.name = group.name;
    piece.nodes.assign(group.nodes.begin() + static_cast<std::ptrdiff_t>(begin),
                       group.nodes.begin() + static_cast<std::ptrdiff_t>(end));
    return piece;
  }

  // What the piece costs, found by building it.
  Result<Price> price(const Group& group, size_t begin, size_t end) {
    Group piece = piece_of(group, begin, end);
    bind_externals(trial_.graph, piece, last_);
    piece.first_of_section = true;
    trial_.groups.assign(1, std::move(piece));
    trial_.section_count = 1;
    trial_.program = Program();
    trial_.traffic.clear();
    Status built = tile(trial_);  // which builds sections itself where it seeks row blocks
    if (built.ok()) built = lower(trial_);
    if (built.ok()) built = allocate(trial_);
    if (!built.ok()) {
      Error error = built.take_error();
      if (error.code != ErrorCode::kCapacity) return error;
      if (end - begin == 1) return error;
      return Price{kNever, error.what};
    }
    const int64_t cycles = launch_cycles(trial_.program.sections[0], *trial_.traffic[0].launch, *trial_.chip);
    if (cycles >= kNeverEnds) return Price{kNever, "stops before its end"};
    return Price{cycles + launch_cycles_, {}};
  }

  // What the piece costs as the later passes will build it: with the row blocks and the spread that are
  // soonest, and its ways over the mesh, which the search for borders leaves out.
  Result<int64_t> price_with_ways(const Group& group, size_t begin, size_t end) {
    trial_.effort = Effort::kProgram;
    const Result<Price> built = price(group, begin, end);
    trial_.effort = Effort::kRoughPrice;
    RDU_ASSIGN(const Price estimate, built);
    if (estimate.cycles >= kNever) return kNever;
    MappingSearch search(trial_.program.sections[0], trial_.traffic[0], mesh_,
                         {trial_.options.placement_seed, 0});
    RDU_CHECK_OK(search.route(kFewDraws));
    return search.best().cycles + launch_cycles_;
  }

  // Whether the pieces together are done before the whole group would be.
  Result<bool> worth_splitting(const Group& group, const Borders& borders) {
    if (borders.size() == 1) return true;
    RDU_ASSIGN(const int64_t whole, price_with_ways(group, 0, group.nodes.size()));
    int64_t pieces = 0;
    size_t begin = 0;
    for (const auto& [end, reason] : borders) {
      RDU_ASSIGN(const int64_t piece, price_with_ways(group, begin, end));
      pieces += piece;
      begin = end;
    }
    return pieces < whole;
  }

  Result<Borders> find_borders(const Group& group) {
    const size_t count = group.nodes.size();
    std::vector<int64_t> best(count + 1, kNever);  // cheapest way to run the first n operators
    std::vector<size_t> from(count + 1, 0);
    std::map<std::pair<size_t, size_t>, Price> prices;
    best[0] = 0;
    for (size_t begin = 0; begin < count; ++begin) {
      for (size_t end = begin + 1; end <= count; ++end) {
        RDU_ASSIGN(Price found, price(group, begin, end));
        const int64_t total = best[begin] + found.cycles;
        const bool fits = found.cycles < kNever;
        prices[{begin, end}] = std::move(found);
        if (!fits) break;  // nor does anything longer
        if (total < best[end]) best[end] = total, from[end] = begin;
      }
    }
    Borders borders;
    for (size_t end = count; end > 0; end = from[end]) {
      borders.emplace_back(end, end == count ? "the block ends" : reason(prices, from[end], end));
    }
    std::reverse(borders.begin(), borders.end());
    return borders;
  }

  static std::string reason(const std::map<std::pair<size_t, size_t>, Price>& prices, size_t begin,
                            size_t end) {
    const Price& here = prices.at({begin, end});
    const Price& longer = prices.at({begin, end + 1});
    const Price& next = prices.at({end, end + 1});
    if (longer.cycles >= kNever) return "with the next operator it " + longer.refusal;
    return fmt::format("the next operator joined would make {} cycles of {} + {}", longer.cycles, here.cycles,
                       next.cycles);
  }

  std::vector<std::optional<size_t>> last_;
  const Mesh mesh_;
  Compilation trial_;
  int64_t launch_cycles_ = 0;
  std::map<std::string, Borders> borders_;
};

}  // namespace

Status split_by_cost(Compilation& compilation) {
  Splitter splitter(compilation);
  std::vector<Group> pieces;
  for (const Group& group : compilation.groups) {
    RDU_ASSIGN(std::vector<Group> split, splitter.split(group));
    std::move(split.begin(), split.end(), std::back_inserter(pieces));
  }
  compilation.groups = std::move(pieces);
  return {};
}

}  // namespace rdusim::compiler
