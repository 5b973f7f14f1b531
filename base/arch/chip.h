// Chip, node and software-stack specifications as plain structs. Every value comes from configs/ with its
// source beside it; the field descriptions (chip_fields.cpp) give parser, range checks, dump, JSON schema and
// docs table.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/arch/memory_service.h"
#include "base/arch/pmu_service.h"

namespace rdusim {

struct PcuSpec {
  int64_t count = 0;
  int64_t lanes = 0;                    // columns of the systolic array, SIMD width
  int64_t stages = 0;                   // rows of the systolic array, SIMD pipeline depth
  int64_t tail_elements_per_cycle = 0;  // transcendental results a cycle
  int64_t pipeline_latency_cycles = 0;  // header to tail, of one vector
};

struct PmuSpec {
  int64_t count = 0;
  int64_t capacity_bytes = 0;
  int64_t banks = 0;
  int64_t port_bytes_per_cycle = 0;   // each of one read and one write port
  std::string service_name = "none";  // a table of configs/service/; none: gathers at the port's rate
  std::shared_ptr<const PmuService> service{};  // what service_name names, once loaded
};

struct RdnSpec {
  int64_t link_bytes_per_cycle = 0;  // one vector link
  int64_t hop_latency_cycles = 0;
  int64_t average_hops = 0;  // of a route between neighbouring stages, in programs without routes
  int64_t rows = 0;          // switches of the mesh (base/arch/fabric.h); 0 x 0: as the units need
  int64_t columns = 0;       // of all dies side by side
  int64_t die_link_bytes_per_cycle = 0;  // the link of a row from die to die, each way
  int64_t die_hop_latency_cycles = 0;    // of that hop
};

struct MemorySpec {
  int64_t capacity_bytes = 0;
  double bandwidth_bytes_per_s = 0;  // peak of one socket
  double refresh_interval_ns = 0;    // tREFI; 0 = no refresh
  double refresh_cycle_ns = 0;       // tRFC
  double latency_ns = 0;             // first byte of an idle channel, seen by the AGCU
  int64_t burst_bytes = 0;           // every access is rounded up to it
  int64_t channels = 0;
  std::string service_name = "none";               // a table of configs/service/; none: efficiency 1
  std::shared_ptr<const MemoryService> service{};  // what service_name names, once loaded
  // Peak after refresh: what no pattern exceeds.
  [[nodiscard]] double achieved_bytes_per_s() const {
    const double tax = refresh_interval_ns > 0 ? refresh_cycle_ns / refresh_interval_ns : 0;
    return bandwidth_bytes_per_s * (1 - tax);
  }
  // Of that, what banks, rows and turnarounds leave to a pattern.
  [[nodiscard]] double achieved_bytes_per_s(const MemoryPattern& pattern) const {
    return achieved_bytes_per_s() * (service ? service->efficiency_of(pattern) : 1);
  }
};

struct ChipSpec {
  std::string name;
  double clock_hz = 0;
  int64_t dies = 0;
  PcuSpec pcu;
  PmuSpec pmu;
  RdnSpec rdn;
  MemorySpec hbm;
  MemorySpec ddr;
  double dma_bandwidth_bytes_per_s = 0;  // DDR to HBM copy of one socket, achieved
  double dma_setup_s = 0;                // of one copy
  int64_t agcu_ports = 0;                // concurrent streams at full rate
  int64_t agcu_port_bytes_per_cycle = 0;
  [[nodiscard]] double peak_flops() const {
    return static_cast<double>(pcu.count * pcu.lanes * pcu.stages) * 2 * clock_hz;
  }
};

struct LinkSpec {
  double bandwidth_bytes_per_s = 0;  // out of one socket, and the same into it
  double latency_ns = 0;             // one message, socket to socket
};

// Costs of the software stack: the published results come from two stacks.
struct StackSpec {
  std::string name;
  double software_launch_s = 0;  // host launches one section
  double hardware_launch_s = 0;  // AGCUs launch one section and synchronise the sockets
  double step_s = 0;             // host time of one decode step or prefill (sampling, arguments)
  double request_s = 0;          // host time of one request
};

struct NodeSpec {
  std::string name;
  int64_t sockets = 0;
  ChipSpec chip;
  LinkSpec link;
  std::vector<StackSpec> stacks;
  std::string default_stack;
  [[nodiscard]] const StackSpec* find_stack(const std::string& stack_name) const {
    for (const auto& s : stacks) {
      if (s.name == stack_name) return &s;
    }
    return nullptr;
  }
};

// A node of GPUs as the published comparison models it: roofline execution, experts in HBM, then host memory.
struct GpuNodeSpec {
  std::string name;
  int64_t gpus = 0;
  double peak_flops = 0;                         // dense BF16 of one GPU
  double hbm_bandwidth_bytes_per_s = 0;          // of one GPU
  int64_t hbm_capacity_bytes = 0;                // of one GPU
  int64_t host_capacity_bytes = 0;               // of the node
  double host_to_gpu_bandwidth_bytes_per_s = 0;  // of the node
  double hbm_efficiency = 0;                     // achieved share of the peak while weights stream
  double compute_efficiency = 0;                 // achieved share of the peak in prefill GEMMs
  double layer_overhead_s = 0;  // launches and tensor-parallel synchronisation of one layer, one pass
  double request_s = 0;
};

}  // namespace rdusim
