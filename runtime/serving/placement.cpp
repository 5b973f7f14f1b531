// Greedy placement by popularity; see placement.h.
#include "runtime/serving/placement.h"

#include <algorithm>
#include <numeric>
#include <optional>

namespace rdusim::runtime {
namespace {

struct Load {
  double load = 0;  // requests
  Bytes used;
};

// The group with the least load a socket that has room and does not hold the expert yet.
std::optional<size_t> lightest(const std::vector<GroupRoom>& groups, const std::vector<Load>& loads,
                               const Placement& placement, size_t expert) {
  std::optional<size_t> best;
  const auto per_socket = [&](size_t g) { return loads[g].load / static_cast<double>(groups[g].sockets); };
  for (size_t g = 0; g < groups.size(); ++g) {
    const bool room = loads[g].used + groups[g].expert_bytes[expert] <= groups[g].store;
    if (!room || placement.placed[g][expert]) continue;
    if (!best || per_socket(g) < per_socket(*best)) best = g;
  }
  return best;
}

}  // namespace

Placement place_experts(const std::vector<GroupRoom>& groups, const std::vector<int64_t>& asked) {
  Placement placement;
  placement.homes.resize(asked.size());
  placement.placed.assign(groups.size(), std::vector<bool>(asked.size(), false));
  std::vector<Load> loads(groups.size());
  std::vector<size_t> order(asked.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return asked[a] > asked[b]; });
  const int64_t all = std::accumulate(asked.begin(), asked.end(), int64_t{0});
  const int64_t fair = std::max<int64_t>(1, all / static_cast<int64_t>(groups.size()));
  // One copy of each first: a second copy of a popular expert must not push an unpopular one out.
  for (int round = 0; round < 2; ++round) {
    for (const size_t e : order) {
      const auto copies =
          round == 0 ? int64_t{1}
                     : std::min<int64_t>(static_cast<int64_t>(groups.size()), (asked[e] + fair - 1) / fair);
      while (static_cast<int64_t>(placement.homes[e].size()) < copies) {
        const auto g = lightest(groups, loads, placement, e);
        if (!g) {
          placement.fits = placement.fits && round > 0;
          break;
        }
        placement.placed[*g][e] = true;
        placement.homes[e].push_back(static_cast<uint16_t>(*g));
        loads[*g].used += groups[*g].expert_bytes[e];
        // What the copies share of the requests moves from the first home to the new one.
        const double share = static_cast<double>(asked[e]) / static_cast<double>(copies);
        loads[*g].load += share;
        if (round == 1) loads[placement.homes[e].front()].load -= share;
      }
    }
  }
  return placement;
}

}  // namespace rdusim::runtime
