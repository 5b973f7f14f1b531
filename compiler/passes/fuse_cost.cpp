// A group is judged whole first. Where every cut would take longer by its lower bound (piece_bounds.h), it
// stays whole and nothing else is built. Else borders are sought (border_search.h) with pieces built
// coarsely: with the row blocks that are best for the whole group, one spread, no ways. The cut that is best
// so is judged against the whole group as the later passes will build both.
#include "compiler/passes/fuse_cost.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>

#include "compiler/passes/border_search.h"
#include "compiler/passes/piece_bounds.h"
#include "compiler/passes/routed_cost.h"
#include "compiler/passes/row_blocks.h"

namespace rdusim::compiler {
namespace {

// A cut is looked into where it is coarsely sooner by these thousandths, and made where it still is by those
// when ways over the mesh are counted. Measured on the decode steps and prompts of 49 models: cuts that the
// judge found up to 1.5 % sooner were up to 2 % later in event, those that it found 8 % sooner gained.
constexpr int64_t kWorthJudging = 990;
constexpr int64_t kWorthCutting = 970;

class Splitter {
 public:
  explicit Splitter(const Compilation& compilation)
      : last_(last_readers(compilation.graph)), mesh_(*compilation.chip) {
    trial_.chip = compilation.chip;
    trial_.effort = Effort::kRoughPrice;
    trial_.options = compilation.options;
    trial_.graph = compilation.graph;
    trial_.stages = compilation.stages;
    launch_cycles_ = static_cast<int64_t>(compilation.options.launch_s * compilation.chip->clock_hz);
    row_blocks_ = std::make_unique<RowBlockSearch>(trial_);
  }

  // What groups have in common that are cut alike.
  std::string signature_of(Group group) { return bind_externals(trial_.graph, group, last_); }

  // The pieces of a group, in order. So many like it follow one another.
  Result<std::vector<Group>> split(const Group& group, const std::string& signature, int64_t in_a_row) {
    auto known = cuts_.find(signature);
    if (known == cuts_.end()) {
      loops_ = trial_.options.loop && in_a_row > 1;
      whole_launch_cycles_ = loops_ ? launch_cycles_ / in_a_row : launch_cycles_;
      RDU_ASSIGN(Cut cut, find_cut(group));
      known = cuts_.emplace(signature, std::move(cut)).first;
    }
    std::vector<Group> pieces;
    size_t begin = 0;
    for (const Piece& cut : known->second) {
      Group& piece = pieces.emplace_back(piece_of(group, begin, cut.end));
      if (known->second.size() > 1) piece.name = fmt::format("{}.{}", group.name, pieces.size());
      piece.border = cut.border;
      piece.row_block = cut.row_block;
      begin = cut.end;
    }
    return pieces;
  }

 private:
  struct Piece {
    size_t end = 0;
    int64_t row_block = 0;
    std::string border;  // why it ends there
  };
  using Cut = std::vector<Piece>;

  static Group piece_of(const Group& group, size_t begin, size_t end) {
    Group piece;
    piece.name = group.name;
    piece.nodes.assign(group.nodes.begin() + static_cast<std::ptrdiff_t>(begin),
                       group.nodes.begin() + static_cast<std::ptrdiff_t>(end));
    return piece;
  }

  // Makes the piece the only group of the trial, tiled by the rule.
  Status begin_trial(const Group& group, size_t begin, size_t end) {
    Group piece = piece_of(group, begin, end);
    bind_externals(trial_.graph, piece, last_);
    piece.first_of_section = true;
    trial_.groups.assign(1, std::move(piece));
    trial_.section_count = 1;
    return tile(trial_);
  }

  Status build(int64_t row_block) {
    trial_.tiling.row_blocks[0] = row_block;
    trial_.program = Program();
    trial_.traffic.clear();
    RDU_CHECK_OK(lower(trial_));
    return allocate(trial_);
  }

  // What the piece costs, found by building it; with blocks of no more than so many rows, and fewer where it
  // does not fit otherwise.
  Result<PiecePrice> price(const Group& group, size_t begin, size_t end, int64_t rows) {
    RDU_CHECK_OK(begin_trial(group, begin, end));
    const int64_t least_rows = trial_.tiling.row_blocks[0];
    rows = std::max(rows, least_rows);
    Status built = build(rows);
    while (!built.ok() && built.error().code == ErrorCode::kCapacity && rows > least_rows) {
      rows = std::max(least_rows, rows / 2);
      built = build(rows);
    }
    if (!built.ok()) {
      const Error error = built.take_error();
      if (error.code != ErrorCode::kCapacity) return error;
      if (!refusal_ || end - begin < refused_operators_) refusal_ = error, refused_operators_ = end - begin;
      return PiecePrice{kNoPrice, error.what};
    }
    const int64_t cycles = launch_cycles(trial_.program.sections[0], *trial_.traffic[0].launch, *trial_.chip);
    if (cycles >= kNeverEnds) return PiecePrice{};
    return PiecePrice{with_launch(cycles, end - begin == group.nodes.size()), {}};
  }

  // Rows of the blocks that are best for the piece; those of the rule if it does not fit with them.
  Result<int64_t> best_row_block(const Group& group, size_t begin, size_t end) {
    RDU_CHECK_OK(begin_trial(group, begin, end));
    Result<int64_t> rows = row_blocks_->cheapest(trial_.groups[0]);
    if (!rows.ok() && rows.error().code != ErrorCode::kCapacity) return rows.take_error();
    return rows.ok() ? *rows : trial_.tiling.row_blocks[0];
  }

  // With these row blocks, its spread over PMUs and ways over the mesh.
  Result<int64_t> judge(const Group& group, size_t begin, size_t end, int64_t rows) {
    RDU_CHECK_OK(begin_trial(group, begin, end));
    trial_.effort = Effort::kProgram;  // allocate seeks the best spread
    Status built = build(rows);
    trial_.effort = Effort::kRoughPrice;
    if (!built.ok() && built.error().code != ErrorCode::kCapacity) return built.take_error();
    if (!built.ok()) return kNoPrice;
    MappingSearch search(trial_.program.sections[0], trial_.traffic[0], mesh_,
                         {trial_.options.placement_seed, 0});
    RDU_CHECK_OK(search.route(kFewDraws));
    const int64_t cycles = search.best().cycles;
    return cycles >= kNeverEnds ? kNoPrice : with_launch(cycles, end - begin == group.nodes.size());
  }

  // A whole group that loops is launched once for all that follow one another; pieces are not, since they
  // take turns. APPROX: if it prefetches, its streams and its stages overlap from one iteration to the next
  // as if they never waited for each other, which favours it.
  [[nodiscard]] int64_t with_launch(int64_t cycles, bool whole) const {
    if (!whole) return cycles + launch_cycles_;
    if (loops_ && trial_.options.prefetch) cycles = std::min(cycles, trial_.traffic[0].cycles());
    return cycles + whole_launch_cycles_;
  }

  Result<Cut> find_cut(const Group& group) {
    const size_t count = group.nodes.size();
    RDU_ASSIGN(const int64_t rows, best_row_block(group, 0, count));
    if (count == 1) return Cut{{count, rows, "the block is one operator"}};
    const PieceBounds bounds(trial_.graph, group.nodes, last_, *trial_.chip, trial_.options.moe_load);
    refusal_.reset();
    BorderSearch search(
        count, [&](size_t begin, size_t end) { return bounds.cycles(begin, end) + launch_cycles_; },
        [&](size_t begin, size_t end) { return price(group, begin, end, rows); });
    RDU_ASSIGN(const PiecePrice* whole, search.price(0, count));
    const int64_t coarse = whole->cycles;
    const auto stays = [&](const std::string& why) { return Cut{{count, rows, "the block ends; " + why}}; };
    if (const int64_t least = search.least_cut(); coarse < kNoPrice && coarse <= least)
      return stays(fmt::format("whole it takes {} cycles, any cut {} or more", coarse, least));
    RDU_ASSIGN(const auto ends,
               search.cheapest_cut(coarse < kNoPrice ? coarse * kWorthJudging / 1000 : kNoPrice));
    if (ends) return judge_cut(group, search, *ends, rows);
    if (coarse >= kNoPrice && refusal_) return *refusal_;
    return stays(fmt::format("whole it takes {} cycles, which no cut betters by a hundredth", coarse));
  }

  // Judges the pieces, the one with the largest price first, until they take as long as `most` with what
  // the others take at least: their prices, which have no ways.
  Result<int64_t> judge_pieces(const Group& group, BorderSearch& search, Cut& cut, int64_t most) {
    std::vector<int64_t> cycles;
    for (size_t p = 0; p < cut.size(); ++p) {
      RDU_ASSIGN(const PiecePrice* price, search.price(begin_of(cut, p), cut[p].end));
      cycles.push_back(price->cycles);
    }
    std::vector<size_t> order(cut.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return cycles[a] > cycles[b]; });
    int64_t sum = std::accumulate(cycles.begin(), cycles.end(), int64_t{0});
    for (size_t p = 0; p < cut.size() && sum < most; ++p) {
      Piece& piece = cut[order[p]];
      const size_t begin = begin_of(cut, order[p]);
      RDU_ASSIGN(piece.row_block, best_row_block(group, begin, piece.end));
      RDU_ASSIGN(const int64_t judged, judge(group, begin, piece.end, piece.row_block));
      sum = std::min(kNoPrice, sum - cycles[order[p]] + judged);
    }
    return sum;
  }

  // Whether the cut is worth it, and what is to be said of its borders. `rows`: best for the whole.
  Result<Cut> judge_cut(const Group& group, BorderSearch& search, const std::vector<size_t>& ends,
                        int64_t rows) {
    const size_t count = group.nodes.size();
    RDU_ASSIGN(const int64_t whole, judge(group, 0, count, rows));
    Cut cut;
    for (const size_t end : ends) cut.push_back({end, 0, {}});
    const int64_t most = whole < kNoPrice ? whole * kWorthCutting / 1000 : kNoPrice;
    RDU_ASSIGN(const int64_t pieces, judge_pieces(group, search, cut, most));
    if (whole < kNoPrice && pieces >= most) {
      return Cut{{count, rows,
                  fmt::format("the block ends; whole it takes {} cycles, cut into {} pieces {} or more",
                              whole, ends.size(), pieces)}};
    }
    for (size_t p = 0; p + 1 < cut.size(); ++p) {
      RDU_ASSIGN(cut[p].border, border_text(search, begin_of(cut, p), cut[p].end, cut[p + 1].end));
    }
    RDU_ASSIGN(const PiecePrice* coarse, search.price(0, count));
    const std::string instead =
        whole < kNoPrice ? fmt::format("it would take {}", whole) : "it " + refusal_text(*coarse);
    cut.back().border =
        fmt::format("the block ends; its pieces take {} cycles together, whole {}", pieces, instead);
    return cut;
  }

  static size_t begin_of(const Cut& cut, size_t piece) { return piece == 0 ? 0 : cut[piece - 1].end; }

  // By the coarse prices that the border was chosen by.
  static Result<std::string> border_text(BorderSearch& search, size_t begin, size_t border, size_t end) {
    RDU_ASSIGN(const PiecePrice* here, search.price(begin, border));
    RDU_ASSIGN(const PiecePrice* next, search.price(border, end));
    RDU_ASSIGN(const PiecePrice* joined, search.price(begin, end));
    if (joined->cycles >= kNoPrice) return "joined with the next piece it " + refusal_text(*joined);
    return fmt::format("joined with the next piece it takes {} cycles, now {} + {}", joined->cycles,
                       here->cycles, next->cycles);
  }

  static std::string refusal_text(const PiecePrice& price) {
    return price.refusal.empty() ? "stops before its end" : price.refusal;
  }

  std::vector<std::optional<size_t>> last_;
  const Mesh mesh_;
  Compilation trial_;
  std::unique_ptr<RowBlockSearch> row_blocks_;  // of the trial
  int64_t launch_cycles_ = 0;
  int64_t whole_launch_cycles_ = 0;  // of the group that is looked at
  bool loops_ = false;
  std::optional<Error> refusal_;  // of the fewest operators that did not fit
  size_t refused_operators_ = 0;
  std::map<std::string, Cut> cuts_;
};

}  // namespace

Status split_by_cost(Compilation& compilation) {
  Splitter splitter(compilation);
  std::vector<std::string> signatures;
  for (const Group& group : compilation.groups) signatures.push_back(splitter.signature_of(group));
  std::vector<Group> pieces;
  size_t row_end = 0;  // of groups that are alike
  size_t row_begin = 0;
  for (size_t g = 0; g < signatures.size(); ++g) {
    if (g == row_end) {
      row_begin = g;
      while (row_end < signatures.size() && signatures[row_end] == signatures[g]) ++row_end;
    }
    const auto in_a_row = static_cast<int64_t>(row_end - row_begin);
    RDU_ASSIGN(std::vector<Group> split, splitter.split(compilation.groups[g], signatures[g], in_a_row));
    std::move(split.begin(), split.end(), std::back_inserter(pieces));
  }
  compilation.groups = std::move(pieces);
  return {};
}

}  // namespace rdusim::compiler
