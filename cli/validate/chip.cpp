// Group chip: headline figures of the chip and its nodes, recomputed from configs/, against P Table II and
// the Hot Chips 2024 slides. Where publications differ the other reading is shown, not judged.
#include <fmt/format.h>

#include "cli/inputs.h"
#include "cli/validate/groups.h"

namespace rdusim::cli {
namespace {

constexpr double kMiB = 1 << 20;
constexpr double kGiB = kMiB * 1024;
constexpr double kTiB = kGiB * 1024;

// "638 TFLOPS" and "520 MB" are printed with three digits, "1.8 TB/s" with two.
constexpr double kThreeDigits = 0.5;
constexpr double kTwoDigits = 5;

class Rows {
 public:
  void add(const char* what, const char* source, Published published, double simulated, const char* unit,
           std::optional<double> tolerance_percent) {
    rows_.push_back({row_id(what), what, source, published, simulated, unit, tolerance_percent,
                     "rdusim validate --group chip", ""});
  }
  ValidationRows take() { return std::move(rows_); }

 private:
  ValidationRows rows_;
};

void add_socket(Rows& rows, const ChipSpec& chip) {
  const auto count = [](int64_t n) { return static_cast<double>(n); };
  rows.add("peak BF16 of a socket", "P Table II", Published::exactly(638e12), chip.peak_flops(), "FLOP/s",
           kThreeDigits);
  rows.add("PCUs of a socket", "P Table II", Published::exactly(1040), count(chip.pcu.count), "units", 0);
  rows.add("PMUs of a socket", "P Table II", Published::exactly(1040), count(chip.pmu.count), "units", 0);
  rows.add("dies of a socket", "P Table II", Published::exactly(2), count(chip.dies), "dies", 0);
  rows.add("clock", "P Table II (< 2 GHz)", Published::at_most(2e9), chip.clock_hz, "Hz", 0);
  rows.add("SRAM of a socket", "P Sec I (520 MiB)", Published::exactly(520 * kMiB),
           count(chip.pmu.count * chip.pmu.capacity_bytes), "B", 0);
  const double sram =
      2 * count(chip.pmu.count * chip.pmu.port_bytes_per_cycle) * chip.clock_hz;  // a read and a write port
  rows.add("SRAM bandwidth of a socket", "P Sec I (hundreds of TB/s)", Published::between(100e12, 1000e12),
           sram, "B/s", 0);
  rows.add("HBM of a socket", "P Table II (64 GiB)", Published::exactly(64 * kGiB),
           count(chip.hbm.capacity_bytes), "B", 0);
  rows.add("HBM bandwidth of a socket", "P Table II (1.8 TB/s)", Published::exactly(1.8e12),
           chip.hbm.bandwidth_bytes_per_s, "B/s", kTwoDigits);
  rows.add("DDR of a socket", "P Table II (1.5 TiB)", Published::exactly(1.5 * kTiB),
           count(chip.ddr.capacity_bytes), "B", 0);
  rows.add("DDR bandwidth of a socket", "P Table II (200 GB/s)", Published::exactly(200e9),
           chip.ddr.bandwidth_bytes_per_s, "B/s", kTwoDigits);
}

}  // namespace

Result<ValidationRows> chip_rows(ValidationContext& context) {
  RDU_ASSIGN(const auto node, load_node_and_stack(context.session, {"sn40l-8", ""}));
  RDU_ASSIGN(const auto rack, load_node_and_stack(context.session, {"sn40l-16", ""}));
  const ChipSpec& chip = node.node.chip;
  const double sockets = static_cast<double>(node.node.sockets);
  const double rack_sockets = static_cast<double>(rack.node.sockets);
  Rows rows;
  add_socket(rows, chip);
  rows.add("DDR to HBM, 8 sockets", "P Sec VI-C (over 1 TB/s), Table V (13.476 GB in 13.5 ms)",
           Published::exactly(1e12), chip.dma_bandwidth_bytes_per_s * sockets, "B/s", kTwoDigits);
  const ChipSpec& rack_chip = rack.node.chip;
  rows.add("SRAM, 16 sockets", "Hot Chips 2024 (8 GB)", Published::exactly(8 * kGiB),
           rack_sockets * static_cast<double>(rack_chip.pmu.count * rack_chip.pmu.capacity_bytes), "B",
           kTwoDigits);
  rows.add("HBM, 16 sockets", "Hot Chips 2024 (1 TB)", Published::exactly(kTiB),
           rack_sockets * static_cast<double>(rack_chip.hbm.capacity_bytes), "B", 0);
  rows.add("DDR, 16 sockets", "Hot Chips 2024 (24 TB)", Published::exactly(24 * kTiB),
           rack_sockets * static_cast<double>(rack_chip.ddr.capacity_bytes), "B", 0);
  rows.add("HBM bandwidth, 16 sockets, other reading", "Hot Chips 2024 (25.6 TB/s; P Table II: 28.8)",
           Published::exactly(25.6e12), rack_sockets * rack_chip.hbm.bandwidth_bytes_per_s, "B/s", {});
  rows.add("DDR bandwidth, 16 sockets, other reading", "Hot Chips 2024 (1.6 TB/s; P Table II: 3.2)",
           Published::exactly(1.6e12), rack_sockets * rack_chip.ddr.bandwidth_bytes_per_s, "B/s", {});
  return rows.take();
}

}  // namespace rdusim::cli
