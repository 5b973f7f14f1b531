// Limits are sanity bounds, wide enough for any chip worth exploring: they catch a wrong unit or a slipped
// exponent.
#include "base/arch/chip_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/arch/dram_fields.h"
#include "base/arch/energy.h"
#include "base/arch/memory_service_fields.h"

namespace rdusim {
namespace {

constexpr IntegerRange kUnits{1, 1'000'000};
constexpr IntegerRange kCycles{0, 1'000'000};
constexpr IntegerRange kBytesPerCycle{1, 1 << 20};
constexpr IntegerRange kCapacity{1, int64_t{1} << 50};
constexpr RealRange kBandwidth{1e6, 1e16};
constexpr RealRange kNanoseconds{0, 1e6};
constexpr RealRange kSeconds{0, 10};
constexpr RealRange kShare{0.01, 1};

const Fields<PcuSpec>& pcu_fields() {
  static const auto fields =
      Fields<PcuSpec>("pcu", "pattern compute units")
          .integer("count", &PcuSpec::count, kUnits, "units", "of one socket")
          .integer("lanes", &PcuSpec::lanes, {1, 4096}, "lanes", "columns of the systolic array, SIMD width")
          .integer("stages", &PcuSpec::stages, {1, 4096}, "stages",
                   "rows of the systolic array, SIMD pipeline depth")
          .integer("tail_elements_per_cycle", &PcuSpec::tail_elements_per_cycle, {1, 4096}, "elements/cycle",
                   "transcendental results of the tail")
          .integer("pipeline_latency_cycles", &PcuSpec::pipeline_latency_cycles, kCycles, "cycles",
                   "of one vector, header to tail");
  return fields;
}

const Fields<PmuSpec>& pmu_fields() {
  static const auto fields =
      Fields<PmuSpec>("pmu", "pattern memory units")
          .integer("count", &PmuSpec::count, kUnits, "units", "of one socket")
          .integer("capacity_bytes", &PmuSpec::capacity_bytes, {1024, int64_t{1} << 36}, "bytes",
                   "of one PMU")
          .integer("banks", &PmuSpec::banks, {1, 4096}, "banks", "of one PMU")
          .integer("port_bytes_per_cycle", &PmuSpec::port_bytes_per_cycle, kBytesPerCycle, "bytes/cycle",
                   "each of one read and one write port")
          .text("service", &PmuSpec::service_name,
                "table of configs/service/; none: gathers at the port's rate")
          .optional();
  return fields;
}

const Fields<RdnSpec>& rdn_fields() {
  static const auto fields =
      Fields<RdnSpec>("rdn", "on-chip network")
          .integer("link_bytes_per_cycle", &RdnSpec::link_bytes_per_cycle, kBytesPerCycle, "bytes/cycle",
                   "one vector link")
          .integer("hop_latency_cycles", &RdnSpec::hop_latency_cycles, kCycles, "cycles",
                   "one switch and its link")
          .integer("average_hops", &RdnSpec::average_hops, {0, 10'000}, "hops",
                   "between neighbouring stages, in programs without routes")
          .integer("rows", &RdnSpec::rows, {0, 10'000}, "switches",
                   "of the mesh; 0 with 0 columns: as square as the units need")
          .integer("columns", &RdnSpec::columns, {0, 10'000}, "switches",
                   "of the mesh, all dies side by side")
          .integer("die_link_bytes_per_cycle", &RdnSpec::die_link_bytes_per_cycle, kBytesPerCycle,
                   "bytes/cycle", "the link of a row from die to die, each way")
          .integer("die_hop_latency_cycles", &RdnSpec::die_hop_latency_cycles, kCycles, "cycles",
                   "the hop from die to die");
  return fields;
}

const Fields<MemorySpec>& memory_fields() {
  static const auto fields =
      Fields<MemorySpec>("memory", "one memory tier of a socket")
          .integer("capacity_bytes", &MemorySpec::capacity_bytes, kCapacity, "bytes", "of one socket")
          .real("bandwidth_bytes_per_s", &MemorySpec::bandwidth_bytes_per_s, kBandwidth, "bytes/s",
                "peak of one socket")
          .real("refresh_interval_ns", &MemorySpec::refresh_interval_ns, kNanoseconds, "ns",
                "tREFI; 0 = no refresh")
          .real("refresh_cycle_ns", &MemorySpec::refresh_cycle_ns, kNanoseconds, "ns", "tRFC")
          .real("latency_ns", &MemorySpec::latency_ns, kNanoseconds, "ns",
                "first byte of an idle channel, seen by the AGCU")
          .integer("burst_bytes", &MemorySpec::burst_bytes, {1, 1 << 20}, "bytes",
                   "every access is rounded up to it")
          .integer("channels", &MemorySpec::channels, {1, 4096}, "channels", "of one socket")
          .text("service", &MemorySpec::service_name, "table of configs/service/; none: peak less refresh")
          .optional()
          .check([](const MemorySpec& memory) -> std::string {
            if (memory.refresh_interval_ns == 0 || memory.refresh_cycle_ns < memory.refresh_interval_ns)
              return "";
            return fmt::format("refresh_cycle_ns ({}) must be below refresh_interval_ns ({})",
                               memory.refresh_cycle_ns, memory.refresh_interval_ns);
          });
  return fields;
}

const Fields<ChipSpec>& dma_fields() {
  static const auto fields = Fields<ChipSpec>("dma", "copies between DDR and HBM")
                                 .real("bandwidth_bytes_per_s", &ChipSpec::dma_bandwidth_bytes_per_s,
                                       kBandwidth, "bytes/s", "achieved by one socket")
                                 .real("setup_s", &ChipSpec::dma_setup_s, kSeconds, "s", "of one copy");
  return fields;
}

const Fields<ChipSpec>& agcu_fields() {
  static const auto fields =
      Fields<ChipSpec>("agcu", "bridges from the fabric to HBM, DDR and other sockets")
          .integer("ports", &ChipSpec::agcu_ports, {1, 4096}, "ports", "concurrent streams at full rate")
          .integer("port_bytes_per_cycle", &ChipSpec::agcu_port_bytes_per_cycle, kBytesPerCycle,
                   "bytes/cycle", "one port");
  return fields;
}

std::string check_mesh(const ChipSpec& chip) {
  const RdnSpec& rdn = chip.rdn;
  if ((rdn.rows == 0) != (rdn.columns == 0)) return "rdn.rows and rdn.columns must both be 0, or neither";
  const int64_t units = chip.pcu.count + chip.pmu.count;
  if (rdn.rows == 0 || rdn.rows * rdn.columns >= units) return "";
  return fmt::format(
      "a mesh of {} x {} (rdn.rows, rdn.columns) has no room for {} units; 0 x 0 fits any number", rdn.rows,
      rdn.columns, units);
}

std::string check_bucket(const StackFile& stack) {
  const auto tokens = static_cast<uint64_t>(stack.sequence_bucket_tokens);
  if (tokens == 0 || (tokens >= 64 && std::has_single_bit(tokens))) return "";
  return fmt::format("sequence_bucket_tokens is {}; 0 or a power of two from 64 on is wanted", tokens);
}

std::string check_stacks(const NodeFile& node) {
  bool found = false;
  for (size_t i = 0; i < node.stacks.size(); ++i) {
    found = found || node.stacks[i].name == node.default_stack;
    for (size_t j = 0; j < i; ++j) {
      if (node.stacks[i].name == node.stacks[j].name)
        return "two stacks are called `" + node.stacks[i].name + "`";
    }
  }
  return found ? "" : "default_stack `" + node.default_stack + "` is none of the stacks";
}

}  // namespace

const Fields<ChipSpec>& chip_fields() {
  static const auto fields = Fields<ChipSpec>("chip", "one socket of a reconfigurable dataflow chip")
                                 .text("name", &ChipSpec::name, "as it stands in reports")
                                 .real("clock_hz", &ChipSpec::clock_hz, {1e6, 1e11}, "Hz", "of the fabric")
                                 .integer("dies", &ChipSpec::dies, {1, 64}, "dies", "of one socket")
                                 .nested("pcu", &ChipSpec::pcu, pcu_fields())
                                 .nested("pmu", &ChipSpec::pmu, pmu_fields())
                                 .nested("rdn", &ChipSpec::rdn, rdn_fields())
                                 .nested("hbm", &ChipSpec::hbm, memory_fields())
                                 .nested("ddr", &ChipSpec::ddr, memory_fields())
                                 .block("dma", dma_fields())
                                 .block("agcu", agcu_fields())
                                 .check(check_mesh);
  return fields;
}

const Fields<LinkSpec>& link_fields() {
  static const auto fields =
      Fields<LinkSpec>("link", "socket to socket")
          .real("bandwidth_bytes_per_s", &LinkSpec::bandwidth_bytes_per_s, kBandwidth, "bytes/s",
                "out of one socket, and the same into it")
          .real("latency_ns", &LinkSpec::latency_ns, kNanoseconds, "ns", "of one message");
  return fields;
}

const Fields<StackFile>& stack_fields() {
  static const auto fields =
      Fields<StackFile>("stack", "costs of one version of the software stack")
          .text("name", &StackFile::name, "chosen by default_stack or --stack")
          .real("software_launch_s", &StackFile::software_launch_s, kSeconds, "s",
                "the host launches one section")
          .real("hardware_launch_s", &StackFile::hardware_launch_s, kSeconds, "s",
                "the AGCUs launch one section and synchronise the sockets")
          .real("step_s", &StackFile::step_s, kSeconds, "s", "host time of one decode step or prefill")
          .real("request_s", &StackFile::request_s, kSeconds, "s", "host time of one request")
          .integer("sequence_bucket_tokens", &StackFile::sequence_bucket_tokens, {0, int64_t{1} << 24},
                   "tokens",
                   "shortest sequence that decode is compiled for, then doubling; 0: as long as is cached")
          .optional()
          .boolean("sequence_bucket_within_context", &StackFile::sequence_bucket_within_context,
                   "a model of a shorter context is compiled for that, not for the bucket")
          .optional()
          .check(check_bucket);
  return fields;
}

const Fields<NodeFile>& node_fields() {
  static const auto fields =
      Fields<NodeFile>("node", "a node of dataflow chips")
          .tag("kind", "rdu_node", "what this file describes")
          .text("name", &NodeFile::name, "as it stands in reports")
          .text("chip", &NodeFile::chip, "path of the chip file, from this file's folder")
          .integer("sockets", &NodeFile::sockets, {1, 1024}, "sockets", "chips of the node")
          .nested("link", &NodeFile::link, link_fields())
          .text("default_stack", &NodeFile::default_stack, "the stack used unless another is asked for")
          .list("stacks", &NodeFile::stacks, stack_fields())
          .check(check_stacks);
  return fields;
}

const Fields<GpuNodeSpec>& gpu_node_fields() {
  static const auto fields =
      Fields<GpuNodeSpec>("gpu_node", "a node of GPUs, executed as a roofline")
          .tag("kind", "gpu_node", "what this file describes")
          .text("name", &GpuNodeSpec::name, "as it stands in reports")
          .integer("gpus", &GpuNodeSpec::gpus, {1, 1024}, "GPUs", "of the node")
          .real("peak_flops", &GpuNodeSpec::peak_flops, {1e9, 1e18}, "FLOP/s", "dense BF16 of one GPU")
          .real("hbm_bandwidth_bytes_per_s", &GpuNodeSpec::hbm_bandwidth_bytes_per_s, kBandwidth, "bytes/s",
                "of one GPU")
          .integer("hbm_capacity_bytes", &GpuNodeSpec::hbm_capacity_bytes, kCapacity, "bytes", "of one GPU")
          .integer("host_capacity_bytes", &GpuNodeSpec::host_capacity_bytes, kCapacity, "bytes",
                   "of the node")
          .real("host_to_gpu_bandwidth_bytes_per_s", &GpuNodeSpec::host_to_gpu_bandwidth_bytes_per_s,
                kBandwidth, "bytes/s", "of the node")
          .real("hbm_efficiency", &GpuNodeSpec::hbm_efficiency, kShare, "",
                "achieved share of the HBM peak while weights stream")
          .real("compute_efficiency", &GpuNodeSpec::compute_efficiency, kShare, "",
                "achieved share of the FLOP peak in prefill")
          .real("layer_overhead_s", &GpuNodeSpec::layer_overhead_s, kSeconds, "s",
                "launches and synchronisation of one layer, one pass")
          .real("request_s", &GpuNodeSpec::request_s, kSeconds, "s", "host time of one request");
  return fields;
}

std::string dump_chip(const ChipSpec& chip) {
  return chip_fields().dump(chip);
}

// Without what only services go by (serving_build.h), which a NodeSpec does not hold.
std::string dump_node(const NodeSpec& node, const std::string& chip_path) {
  std::vector<StackFile> stacks;
  for (const StackSpec& stack : node.stacks) stacks.push_back({stack, 0});
  return node_fields().dump(
      NodeFile{node.name, chip_path, node.sockets, node.link, node.default_stack, stacks});
}

std::string dump_gpu_node(const GpuNodeSpec& node) {
  return gpu_node_fields().dump(node);
}

std::vector<ConfigKind> config_kinds() {
  return {{"chip", &chip_fields()},         {"node", &node_fields()},
          {"gpu_node", &gpu_node_fields()}, {"energy", &energy_fields()},
          {"dram", &dram_fields()},         {"memory_service", &memory_service_fields()}};
}

}  // namespace rdusim
