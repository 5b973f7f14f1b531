#include "compiler/passes/link_loads.h"

#include <algorithm>
#include <utility>

namespace rdusim::compiler {

namespace {

// A trunk is taken without a look at others if its slowest link leaves it this part. Measured there: 0.5 to
// 0.9 within 0.5 %.
constexpr double kFreeEnough = 0.7;

}  // namespace

LinkLoads::LinkLoads(const Fabric& fabric, const std::vector<double>& rates)
    : fabric_(fabric),
      rates_(rates),
      loads_(rates.size()),
      shown_(rates.size()),
      own_links_(rates.size(), 0),
      fellow_parts_(rates.size(), 0),
      fellow_bytes_(rates.size(), 0) {}

double LinkLoads::fullest_cycles() const {
  double fullest = 0;
  for (size_t l = 0; l < loads_.size(); ++l) {
    if (loads_[l].all > 0) fullest = std::max(fullest, loads_[l].all / rates_[l]);
  }
  return fullest;
}

void LinkLoads::begin_leg(bool stream, std::vector<double>* siblings) {
  stream_ = stream;
  siblings_ = siblings;
  ++leg_;
}

void LinkLoads::add_fellow(const OwnLinks& links, double theirs, double part_bytes, bool alone) {
  for (const LegWays::OwnLink& link : links) {
    const double bytes = link.routes * theirs;
    if (fellow_parts_[link.link] == 0) fellow_links_.push_back(link.link);
    fellow_parts_[link.link] += bytes / part_bytes;
    fellow_bytes_[link.link] += alone ? 0 : bytes;
  }
}

void LinkLoads::count(Load& load, double bytes, bool stream) {
  load.all += bytes;
  if (stream) load.streams += bytes;
}

void LinkLoads::own(LinkId l) {
  if (own_links_[l.value]++ == 0) touched_.push_back(l.value);
  if (shown_[l.value].leg == leg_) find_free(l);
}

LinkLoads::OwnLinks LinkLoads::end_leg(double part_bytes) {
  OwnLinks links;
  links.reserve(touched_.size());
  for (const size_t l : touched_) {
    const int routes = std::exchange(own_links_[l], 0);
    links.push_back({static_cast<uint32_t>(l), routes});
    double bytes = routes * part_bytes;
    if (siblings_ != nullptr) {
      const double before = (*siblings_)[l];
      (*siblings_)[l] = std::max(before, bytes);
      bytes = std::max(0.0, bytes - before);
    }
    count(loads_[l], bytes, stream_);
  }
  touched_.clear();
  for (const size_t l : fellow_links_) fellow_parts_[l] = fellow_bytes_[l] = 0;
  fellow_links_.clear();
  return links;
}

void LinkLoads::remove(const OwnLinks& links, double part_bytes, bool stream) {
  for (const LegWays::OwnLink& own : links) count(loads_[own.link], -own.routes * part_bytes, stream);
}

double LinkLoads::free_part(LinkId l) {
  Shown& shown = shown_[l.value];
  if (shown.leg != leg_) {
    shown.leg = leg_;
    shown.besides = besides(l);
    find_free(l);
  }
  return shown.free;
}

void LinkLoads::find_free(LinkId l) {
  shown_[l.value].free = shown_[l.value].besides / (1 + own_links_[l.value] + fellow_parts_[l.value]);
}

double LinkLoads::besides(LinkId l) const {
  const Load& load = loads_[l.value];
  const double with_it = siblings_ == nullptr ? 0 : (*siblings_)[l.value];
  const double counted = (stream_ ? load.streams : with_it) + fellow_bytes_[l.value];
  const double others = (load.all - counted) / (rates_[l.value] * planned_);
  constexpr double kLeast = 0.01;  // so that even full links have an order
  return std::max(kLeast, 1 - others);
}

double LinkLoads::least_free(TileId from, TileId to) {
  if (from == to) return 1;
  return least_free(from, *fabric_.straight(from, to), fabric_.distance(from, to));
}

double LinkLoads::least_free(TileId at, Heading heading, int64_t hops) {
  double least = 1;
  for (; hops > 0; --hops, at = fabric_.step(at, heading))
    least = std::min(least, free_part(fabric_.link(at, heading)));
  return least;
}

Route LinkLoads::plain_way(TileId from, TileId to) {
  const int64_t column = fabric_.column(to);
  const int64_t east = column - fabric_.column(from);
  if (east <= 0 || fabric_.row(to) == fabric_.row(from)) return way_by_column(fabric_, from, to, column);
  int64_t best = column;
  double fastest = -1;
  for (const int64_t turn :
       {column, fabric_.column(from), fabric_.column(from) + east / 3, fabric_.column(from) + 2 * east / 3}) {
    const TileId first = fabric_.tile(fabric_.row(from), turn);
    const TileId second = fabric_.tile(fabric_.row(to), turn);
    const double slowest =
        std::min({least_free(from, first), least_free(first, second), least_free(second, to)});
    if (slowest > fastest) fastest = slowest, best = turn;
  }
  return way_by_column(fabric_, from, to, best);
}

Route LinkLoads::multicast(TileId from, const MulticastTo& to) {
  int64_t best = fabric_.row(from);
  double fastest = -1;
  for (const int64_t row : {best, to.middle_row(), to.first_row(), to.last_row()}) {
    double slowest = 1;
    to.visit_stretches(from, row, [&](TileId at, Heading heading, int64_t hops) {
      slowest = std::min(slowest, least_free(at, heading, hops));
      return slowest > fastest;
    });
    if (slowest > fastest) fastest = slowest, best = row;
    if (fastest >= kFreeEnough) break;
  }
  return to.way(from, best);
}

}  // namespace rdusim::compiler
