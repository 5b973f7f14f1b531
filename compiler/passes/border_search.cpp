#include "compiler/passes/border_search.h"

#include <algorithm>
#include <utility>

namespace rdusim::compiler {

BorderSearch::BorderSearch(size_t count, const Bound& bound, Price price)
    : count_(count), ask_(std::move(price)), pieces_((count + 1) * (count + 1)) {
  for (size_t begin = 0; begin < count; ++begin) {
    for (size_t end = begin + 1; end <= count; ++end) piece(begin, end).cycles = bound(begin, end);
  }
}

BorderSearch::Way BorderSearch::cheapest_way() const {
  std::vector<int64_t> least(count_ + 1, kNoPrice);  // of the first n operators
  std::vector<size_t> from(count_ + 1, 0);
  least[0] = 0;
  for (size_t end = 1; end <= count_; ++end) {
    for (size_t begin = 0; begin < end; ++begin) {
      if (end - begin == count_ || least[begin] >= kNoPrice) continue;
      const int64_t cycles = std::min(kNoPrice, least[begin] + piece(begin, end).cycles);
      if (cycles < least[end]) least[end] = cycles, from[end] = begin;
    }
  }
  Way way{least[count_], {}};
  if (way.cycles >= kNoPrice) return way;
  for (size_t end = count_; end > 0; end = from[end]) way.ends.push_back(end);
  std::reverse(way.ends.begin(), way.ends.end());
  return way;
}

int64_t BorderSearch::least_cut() const {
  return cheapest_way().cycles;
}

void BorderSearch::refuse_longer(size_t begin, size_t end, const std::string& refusal) {
  for (size_t b = 0; b <= begin; ++b) {
    for (size_t e = end; e <= count_; ++e) {
      Piece& longer = piece(b, e);
      if (!longer.price) longer = {kNoPrice, PiecePrice{kNoPrice, refusal}};
    }
  }
}

Result<const PiecePrice*> BorderSearch::price(size_t begin, size_t end) {
  Piece& asked = piece(begin, end);
  if (!asked.price) {
    RDU_ASSIGN(asked.price, ask_(begin, end));
    asked.cycles = asked.price->cycles;
    ++priced_;
    if (!asked.price->refusal.empty()) refuse_longer(begin, end, asked.price->refusal);
  }
  return &*asked.price;
}

Result<std::optional<std::vector<size_t>>> BorderSearch::cheapest_cut(int64_t below) {
  while (true) {
    Way way = cheapest_way();
    if (way.cycles >= std::min(below, kNoPrice)) return std::optional<std::vector<size_t>>();
    std::optional<std::pair<size_t, size_t>> next;
    size_t begin = 0;
    for (const size_t end : way.ends) {
      const Piece& p = piece(begin, end);
      if (!p.price && (!next || p.cycles > piece(next->first, next->second).cycles)) next = {begin, end};
      begin = end;
    }
    if (!next) return std::optional(std::move(way.ends));
    RDU_CHECK_OK(price(next->first, next->second));
  }
}

}  // namespace rdusim::compiler
