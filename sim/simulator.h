// The simulator: runs a Program on a node at a fidelity.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/arch/chip.h"
#include "base/arch/dram.h"
#include "base/program/program.h"
#include "base/program/run_result.h"
#include "base/result.h"
#include "base/tensor.h"

namespace rdusim::sim {

// Bytes of every symbol on every socket: what functional runs read and write. Tiers are flat byte arrays
// addressed by the program's memory plan, so a wrong offset shows as a wrong number.
class MemoryImage {
 public:
  explicit MemoryImage(const Program& program);

  // Writes the socket's shard of the whole tensor, converted to the symbol's dtype. Fails when shapes do not
  // fit.
  Status write(const Program& program, SymbolId symbol, const Tensor& whole);
  // The whole tensor, put together from the sockets' shards (replicated symbols: socket 0's).
  [[nodiscard]] Result<Tensor> read(const Program& program, SymbolId symbol) const;

  [[nodiscard]] std::vector<uint8_t>& bytes(int64_t socket, Tier tier) {
    return tiers_[static_cast<size_t>(socket)][static_cast<size_t>(tier)];
  }
  [[nodiscard]] const std::vector<uint8_t>& bytes(int64_t socket, Tier tier) const {
    return tiers_[static_cast<size_t>(socket)][static_cast<size_t>(tier)];
  }

 private:
  std::vector<std::array<std::vector<uint8_t>, kTierCount>> tiers_;  // [socket][tier]
};

// One interval of the timeline; the trace writer (report/) turns them into a Perfetto file.
struct TraceEvent {
  std::string track;  // "socket 0 / unit layer.wo.gemm", "socket 0 / hbm", "schedule"
  std::string name;
  int64_t begin_cycles = 0;
  int64_t duration_cycles = 0;
};

// The memories of a chip as devices, for the cycle fidelity. Null: the chip has none that is known.
struct MemoryDevices {
  std::shared_ptr<const DramSpec> hbm;
  std::shared_ptr<const DramSpec> ddr;
};

struct RunOptions {
  Fidelity fidelity = Fidelity::kEvent;
  MemoryImage* memory = nullptr;             // functional run if given (event only)
  std::vector<TraceEvent>* trace = nullptr;  // filled if given (event only)
  int64_t trace_limit = 200'000;             // events kept
  // Event timing runs: repeated launches and repeated periods are not simulated again (stamp_engine.h). Off:
  // every token of every launch goes through SystemC. The result is the same.
  bool fast_forward = true;
  MemoryDevices devices{};  // cycle only: behind HBM and DDR streams
};

// Fails with kDeadlock (naming the cycle of waiting units), kUnsupported or kInvalidInput (program does not
// fit the node).
Result<RunResult> run(const Program& program, const NodeSpec& node, const StackSpec& stack,
                      const RunOptions& options);

}  // namespace rdusim::sim
