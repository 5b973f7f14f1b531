#include "base/arch/memory_service_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/arch/dram_fields.h"
#include "base/io/file.h"

namespace rdusim {
namespace {

// Where a value lies on an axis: the point below it and the share of the way to the next.
struct Place {
  size_t below = 0;
  double share = 0;
};

template <typename Value, typename Scale>
Place place_of(const std::vector<Value>& axis, double value, Scale scale) {
  if (value <= static_cast<double>(axis.front())) return {0, 0};
  if (value >= static_cast<double>(axis.back())) return {axis.size() - 1, 0};
  size_t below = 0;
  while (static_cast<double>(axis[below + 1]) <= value) ++below;
  const double from = scale(static_cast<double>(axis[below]));
  const double to = scale(static_cast<double>(axis[below + 1]));
  return {below, (scale(value) - from) / (to - from)};
}

template <typename Value>
bool rising(const std::vector<Value>& axis) {
  return !axis.empty() && std::adjacent_find(axis.begin(), axis.end(), std::greater_equal<>()) == axis.end();
}

std::string check_service(const MemoryService& service) {
  if (!rising(service.streams) || !rising(service.granule_bytes) || !rising(service.write_shares)) {
    return "streams, granule_bytes and write_shares must rise";
  }
  const size_t points = service.streams.size() * service.granule_bytes.size() * service.write_shares.size();
  if (service.efficiency.size() == points) return "";
  return fmt::format("efficiency has {} values, the grid has {} points", service.efficiency.size(), points);
}

}  // namespace

double MemoryService::efficiency_of(const MemoryPattern& pattern) const {
  const auto logarithm = [](double x) { return std::log2(x); };
  const Place s = place_of(streams, pattern.streams, logarithm);
  const Place g = place_of(granule_bytes, pattern.granule_bytes, logarithm);
  const Place w = place_of(write_shares, pattern.write_share, [](double x) { return x; });
  double sum = 0;
  for (int corner = 0; corner < 8; ++corner) {
    double weight = 1;
    const auto pick = [&](const Place& place, int bit) {
      const bool above = (corner >> bit & 1) != 0;
      weight *= above ? place.share : 1 - place.share;
      return place.below + (above && place.share > 0 ? 1 : 0);
    };
    const size_t row = pick(s, 2) * granule_bytes.size();
    const size_t column = (row + pick(g, 1)) * write_shares.size();
    const size_t at = column + pick(w, 0);
    if (weight > 0) sum += weight * efficiency[at];
  }
  return sum * refresh_efficiency;
}

const Fields<MemoryService>& memory_service_fields() {
  using S = MemoryService;
  static const auto fields =
      Fields<S>("memory_service", "what a memory achieves, by pattern; written by rdusim characterize")
          .tag("kind", "memory_service", "what this file describes")
          .text("name", &S::name, "as chip files name it")
          .text("device", &S::device, "the file of configs/dram/ that was simulated")
          .text("inputs_sha256", &S::inputs_sha256, "of device, grid and version of the model")
          .integers("streams", &S::streams, {1, 4096}, "", "axis: streams that take turns")
          .integers("granule_bytes", &S::granule_bytes, {32, 1 << 24}, "bytes", "axis: of one turn")
          .reals("write_shares", &S::write_shares, {0, 1}, "", "axis: of the bytes")
          .integer("bursts_per_channel", &S::bursts_per_channel, {100, 10'000'000}, "bursts", "of one run")
          // Above 1 is impossible, below a thousandth no memory that works.
          .reals("efficiency", &S::efficiency, {0.001, 1}, "",
                 "share of the peak without refresh; streams, then granules, then write shares")
          .real("refresh_efficiency", &S::refresh_efficiency, {0.1, 1}, "",
                "of what tRFC / tREFI leaves: rows that a refresh closes")
          .check(check_service);
  return fields;
}

std::string memory_service_hash(const MemoryService& service, const DramSpec& device) {
  MemoryService grid = service;
  grid.inputs_sha256.clear();
  grid.efficiency.clear();
  grid.refresh_efficiency = 1;
  return sha256_hex(fmt::format("DRAM model {}\n{}{}", kDramModelVersion, dump_dram(device),
                                memory_service_fields().dump(grid)));
}

Result<MemoryService> load_memory_service(ConfigContext& context, const std::string& name) {
  RDU_ASSIGN(const std::string path, find_config(context, "service", name));
  RDU_ASSIGN(const DocumentNode root, read_config(context, path));
  RDU_ASSIGN(MemoryService service, memory_service_fields().parse(root));
  RDU_ASSIGN(const DramSpec device, load_dram(context, service.device));
  if (memory_service_hash(service, device) == service.inputs_sha256) return service;
  return Error{
      ErrorCode::kInvalidInput, path,
      fmt::format("made from other inputs than DRAM device {} and the model are now", service.device),
      fmt::format("rdusim characterize {} writes it anew; service: none takes the peak less refresh",
                  service.name)};
}

}  // namespace rdusim
