// Where to cut a run of operators so that its pieces together cost least, asking for the price of few pieces.
//
// A piece has a price that is known only when it is built, and a lower bound that is known at once. So the
// cheapest way from the first operator to the last is sought over prices where they are known and bounds
// where they are not; the piece of it with the largest bound is priced, and so on, until every piece of the
// cheapest way is known: no other way can be cheaper. (Lazy shortest paths: Dellin and Srinivasa, ICAPS
// 2016.) Often no way is cheap enough from the beginning, and no piece is priced at all.
// Left out: a piece that does not fit is taken to mean that none which contains it fits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace rdusim::compiler {

// Larger than all prices that are added up.
inline constexpr int64_t kNoPrice = std::numeric_limits<int64_t>::max() / 4;

struct PiecePrice {
  int64_t cycles = kNoPrice;
  std::string refusal;  // of a piece that cannot be built; then no longer one can
};

class BorderSearch {
 public:
  using Bound = std::function<int64_t(size_t begin, size_t end)>;
  using Price = std::function<Result<PiecePrice>(size_t begin, size_t end)>;
  // Of `count` operators; a piece is [begin, end) of them.
  BorderSearch(size_t count, const Bound& bound, Price price);

  // What every cut into two pieces or more costs at least, by what is known so far; kNoPrice: there is none.
  [[nodiscard]] int64_t least_cut() const;
  // The ends of the pieces of the cheapest cut; none if no cut costs less than `below`.
  Result<std::optional<std::vector<size_t>>> cheapest_cut(int64_t below);
  // Asked for once.
  Result<const PiecePrice*> price(size_t begin, size_t end);
  // Pieces that were built.
  [[nodiscard]] size_t priced() const { return priced_; }

 private:
  struct Piece {
    int64_t cycles = 0;  // at least, or the price
    std::optional<PiecePrice> price;
  };
  struct Way {
    int64_t cycles = kNoPrice;
    std::vector<size_t> ends;
  };
  [[nodiscard]] Piece& piece(size_t begin, size_t end) { return pieces_[begin * (count_ + 1) + end]; }
  [[nodiscard]] const Piece& piece(size_t begin, size_t end) const {
    return pieces_[begin * (count_ + 1) + end];
  }
  // The cheapest of two pieces or more.
  [[nodiscard]] Way cheapest_way() const;
  void refuse_longer(size_t begin, size_t end, const std::string& refusal);

  size_t count_;
  Price ask_;
  std::vector<Piece> pieces_;  // by begin, end
  size_t priced_ = 0;
};

}  // namespace rdusim::compiler
