#include "sim/dram/characterize.h"

#include <algorithm>
#include <cmath>

#include "base/arch/memory_service_fields.h"
#include "sim/dram/traffic.h"

namespace rdusim::sim {

MemoryService memory_service_grid(const std::string& name, const std::string& device_name) {
  MemoryService service;
  service.name = name;
  service.device = device_name;
  service.streams = {1, 2, 4, 8, 16, 64};
  // From one request of the AGCUs (512 B, sim/cycle/stream_unit.h) to a token that goes round all channels.
  service.granule_bytes = {512, 4096, 32768};
  service.write_shares = {0, 0.0625, 0.25, 0.5, 1};
  service.bursts_per_channel = 2000;
  return service;
}

namespace {

constexpr int64_t kRefreshIntervals = 10;  // of the run that shows what refresh costs

double rounded(double share) {
  // Four places: a table to read. The window's edges may cut bursts, hence the bound.
  return std::round(std::min(1.0, share) * 1e4) / 1e4;
}

// One stream of reads with refresh, against what its own time leaves of the run without.
Result<double> refresh_efficiency(const DramSpec& device) {
  if (device.controller.refresh == "none") return 1.0;
  const bool by_bank = device.controller.refresh == "per_bank";
  const DramTimings& t = device.timings;
  const double tax = by_bank ? 0 : static_cast<double>(t.rfc) / static_cast<double>(t.refi);
  DramTraffic traffic;
  traffic.bursts = kRefreshIntervals * t.refi / t.burst * device.organisation.pseudo_channels *
                   device.organisation.channels;
  RDU_ASSIGN(const DramResult with, run_dram_traffic(device, traffic));
  DramSpec spec = device;
  spec.controller.refresh = "none";
  RDU_ASSIGN(const DramResult without, run_dram_traffic(spec, traffic));
  return rounded(with.fraction_of_peak / (without.fraction_of_peak * (1 - tax)));
}

}  // namespace

Result<double> memory_efficiency(const DramSpec& device, int64_t streams, int64_t granule_bytes,
                                 double write_share, int64_t bursts_per_channel) {
  DramSpec spec = device;
  spec.controller.refresh = "none";
  DramTraffic traffic;
  traffic.pattern = DramPattern::kStreams;
  traffic.direction = write_share <= 0   ? DramDirection::kRead
                      : write_share >= 1 ? DramDirection::kWrite
                                         : DramDirection::kShare;
  traffic.write_share = write_share;
  traffic.streams = streams;
  traffic.granule_bytes = granule_bytes;
  traffic.bursts = bursts_per_channel * device.organisation.channels;
  RDU_ASSIGN(const DramResult result, run_dram_traffic(spec, traffic));
  return rounded(result.fraction_of_peak);
}

Status characterize_memory(const DramSpec& device, MemoryService& service) {
  service.efficiency.clear();
  for (const int64_t streams : service.streams) {
    for (const int64_t granule : service.granule_bytes) {
      for (const double share : service.write_shares) {
        RDU_ASSIGN(const double efficiency,
                   memory_efficiency(device, streams, granule, share, service.bursts_per_channel));
        service.efficiency.push_back(efficiency);
      }
    }
  }
  RDU_ASSIGN(service.refresh_efficiency, refresh_efficiency(device));
  service.inputs_sha256 = memory_service_hash(service, device);
  return {};
}

}  // namespace rdusim::sim
