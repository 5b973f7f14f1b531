#include "sim/noc/traffic.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <bit>

#include "base/check.h"
#include "base/io/document.h"

namespace rdusim::sim::noc {
namespace {

constexpr const char* kNames[] = {
#define RDU_TRAFFIC(name, meaning) #name,
#include "sim/noc/traffic.def"
#undef RDU_TRAFFIC
};

// Both digits of the node's number, base k, moved on by `step`.
uint32_t move_digits(uint32_t source, uint32_t k, uint32_t step) {
  return (source / k + step) % k * k + (source % k + step) % k;
}

uint32_t reverse_bits(uint32_t value, unsigned bits) {
  uint32_t out = 0;
  for (unsigned b = 0; b < bits; ++b) out |= (value >> b & 1U) << (bits - 1 - b);
  return out;
}

}  // namespace

std::vector<std::string> traffic_names() {
  return {std::begin(kNames), std::end(kNames)};
}

std::string traffic_name(Traffic traffic) {
  return kNames[static_cast<size_t>(traffic)];
}

Result<Traffic> parse_traffic(const std::string& name) {
  const auto names = traffic_names();
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<Traffic>(i);
  }
  const std::string near = nearest(name, names);
  return Error{ErrorCode::kInvalidInput, "traffic " + name,
               fmt::format("known are {}", fmt::join(names, ", ")),
               near.empty() ? "" : "did you mean " + near + "?"};
}

Status check_traffic(Traffic traffic, const MeshSpec& mesh) {
  const auto nodes = static_cast<uint64_t>(mesh.nodes());
  const auto wrong = [&](const char* need) {
    return Error{ErrorCode::kInvalidInput, "traffic " + traffic_name(traffic),
                 fmt::format("needs {}, the mesh is {} x {}", need, mesh.columns, mesh.rows), ""};
  };
  switch (traffic) {
    case Traffic::k_transpose:
      if (!std::has_single_bit(nodes) || std::countr_zero(nodes) % 2 != 0)
        return wrong("an even power of two of nodes");
      return {};
    case Traffic::k_bitcomp:
    case Traffic::k_bitrev:
    case Traffic::k_shuffle:
      if (!std::has_single_bit(nodes)) return wrong("a power of two of nodes");
      return {};
    case Traffic::k_tornado:
    case Traffic::k_neighbor:
      if (mesh.columns != mesh.rows) return wrong("as many rows as columns");
      return {};
    case Traffic::k_asymmetric:
      if (nodes % 2 != 0) return wrong("an even number of nodes");
      return {};
    case Traffic::k_uniform:
    case Traffic::k_diagonal:
      return {};
  }
  return {};
}

uint32_t destination(Traffic traffic, const MeshSpec& mesh, uint32_t source, Random& random) {
  const auto nodes = static_cast<uint32_t>(mesh.nodes());
  const auto k = static_cast<uint32_t>(mesh.columns);
  const auto bits = static_cast<unsigned>(std::bit_width(nodes) - 1);
  switch (traffic) {
    case Traffic::k_uniform:
      return static_cast<uint32_t>(random.below(nodes));
    case Traffic::k_transpose:
      return (source >> bits / 2 | source << bits / 2) & (nodes - 1);
    case Traffic::k_bitcomp:
      return ~source & (nodes - 1);
    case Traffic::k_bitrev:
      return reverse_bits(source, bits);
    case Traffic::k_shuffle:
      return nodes == 1 ? 0 : (source << 1 | source >> (bits - 1)) & (nodes - 1);
    case Traffic::k_tornado:
      return move_digits(source, k, (k + 1) / 2 - 1);
    case Traffic::k_neighbor:
      return move_digits(source, k, 1);
    case Traffic::k_diagonal:
      return random.below(3) == 0 ? (source + 1) % nodes : source;
    case Traffic::k_asymmetric:
      return source % (nodes / 2) + static_cast<uint32_t>(random.below(2)) * (nodes / 2);
  }
  return source;
}

double zero_load_latency_cycles(Traffic traffic, const MeshSpec& mesh, int64_t packet_flits) {
  const auto nodes = static_cast<uint32_t>(mesh.nodes());
  // Every destination of a random pattern in its share: 3 draws of diagonal, 2 of asymmetric, all of uniform.
  double sum = 0;
  int64_t pairs = 0;
  const auto add = [&](uint32_t from, uint32_t to) {
    sum += static_cast<double>(mesh.zero_load_latency_cycles(mesh_distance(mesh, from, to), packet_flits));
    ++pairs;
  };
  Random unused(0);
  for (uint32_t source = 0; source < nodes; ++source) {
    if (traffic == Traffic::k_uniform) {
      for (uint32_t to = 0; to < nodes; ++to) add(source, to);
    } else if (traffic == Traffic::k_diagonal) {
      add(source, (source + 1) % nodes);
      add(source, source);
      add(source, source);
    } else if (traffic == Traffic::k_asymmetric) {
      add(source, source % (nodes / 2));
      add(source, source % (nodes / 2) + nodes / 2);
    } else {
      add(source, destination(traffic, mesh, source, unused));
    }
  }
  RDU_CHECK(pairs > 0, "a mesh without nodes");
  return sum / static_cast<double>(pairs);
}

}  // namespace rdusim::sim::noc
