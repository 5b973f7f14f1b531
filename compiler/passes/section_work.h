// What the tokens of a section are and what each firing works on, without timing: the base of every
// allocation.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "base/program/operand_reads.h"
#include "base/program/service.h"
#include "base/program/topology.h"

namespace rdusim::compiler {

// One kind of firing of a unit: what its registers hold and which operations it needs.
struct FiringKind {
  std::vector<Extent> registers;
  std::vector<bool> needed;
  int64_t count = 0;
  friend bool operator==(const FiringKind&, const FiringKind&) = default;
};

// Extents of the tokens of every channel and the kinds of firing of every unit, found by walking the section
// once in order of creation, which is topological. Equal consecutive tokens are counted, not stored.
class SectionWork {
 public:
  explicit SectionWork(const Section& section)
      : section_(section),
        tokens_(section.channels.size()),
        work_(section.units.size()),
        order_(section.units.size()) {
    for (const Unit& unit : section.units) sliced_.push_back(sliced_inputs(unit));
  }

  Status run() {
    for (size_t u = 0; u < section_.units.size(); ++u) {
      const Unit& unit = section_.units[u];
      RDU_CHECK_OK(unit.kind == UnitKind::kLoad ? load(unit) : fire(u, unit));
    }
    return {};
  }
  [[nodiscard]] const std::vector<FiringKind>& work(size_t unit) const { return work_[unit]; }
  // Of each firing, the number of its kind.
  [[nodiscard]] const std::vector<uint32_t>& order(size_t unit) const { return order_[unit]; }
  // Tokens of equal size in a row; coordinates do not matter to the work.
  struct Run {
    Extent extent;
    int64_t count = 0;
  };
  [[nodiscard]] const std::vector<Run>& runs(size_t channel) const { return tokens_[channel]; }
  // Bytes that a compute stage's firings read through input port `input` in a launch (operand_reads.h).
  [[nodiscard]] int64_t operand_bytes(size_t unit, size_t input) const {
    int64_t elements = 0;
    for (const FiringKind& kind : work_[unit])
      elements += kind.count * operand_elements(section_.units[unit], kind.needed, kind.registers, input);
    const Channel& channel = section_.channels[section_.units[unit].inputs[input].channel.value];
    return elements * dtype_bytes(channel.dtype);
  }
  // Bytes of a launch at whose even rate reading through input port `input` keeps up with tokens that come
  // evenly: what its firings read, and more where later firings read more (attention over a growing
  // sequence). They may end a tenth of the launch later, since what comes after them waits anyway for their
  // work.
  [[nodiscard]] int64_t paced_operand_bytes(size_t unit, size_t input) const {
    constexpr double kFinish = 1.1;
    const Unit& u = section_.units[unit];
    double rest = 0;
    double most = 0;
    int64_t firing = u.firings;
    for (auto kind = work_[unit].rbegin(); kind != work_[unit].rend(); ++kind) {
      rest += static_cast<double>(kind->count * operand_elements(u, kind->needed, kind->registers, input));
      firing -= kind->count;
      most = std::max(most, rest / (kFinish - static_cast<double>(firing) / static_cast<double>(u.firings)));
    }
    const auto bytes =
        static_cast<double>(dtype_bytes(section_.channels[u.inputs[input].channel.value].dtype));
    return static_cast<int64_t>(std::max(most, rest) * bytes);
  }
  // Largest token of a channel.
  [[nodiscard]] Extent largest(size_t channel) const {
    Extent best;
    for (const Run& run : tokens_[channel]) {
      if (run.extent.elements() > best.elements()) best = run.extent;
    }
    return best;
  }

  // Tokens of a channel in a launch, and their elements together.
  [[nodiscard]] int64_t tokens(size_t channel) const {
    int64_t sum = 0;
    for (const Run& run : tokens_[channel]) sum += run.count;
    return sum;
  }
  [[nodiscard]] int64_t elements(size_t channel) const {
    int64_t sum = 0;
    for (const Run& run : tokens_[channel]) sum += run.count * run.extent.elements();
    return sum;
  }

 private:
  struct Cursor {
    size_t run = 0;
    int64_t used = 0;
  };

  void push(const OutputPort& port, const Extent& extent) {
    for (const ChannelId id : port.channels) {
      auto& runs = tokens_[id.value];
      if (!runs.empty() && same_size(runs.back().extent, extent)) {
        ++runs.back().count;
      } else {
        runs.push_back({extent, 1});
      }
    }
  }

  Status load(const Unit& unit) {
    const MemoryStream& s = *unit.stream;
    if (s.gather) {
      for (const Run& run : tokens_[unit.inputs[0].channel.value]) {
        for (int64_t i = 0; i < run.count; ++i) push(unit.outputs[0], Extent{run.extent.rows, s.cols, 0, 0});
      }
      return {};
    }
    for (int64_t i = 0; i < s.repeats * s.segments; ++i) {
      for (int64_t row = 0; row < s.rows; row += s.rows_per_token) {
        push(unit.outputs[0], Extent{std::min(s.rows_per_token, s.rows - row), s.cols, 0, 0});
      }
    }
    return {};
  }

  Status fire(size_t u, const Unit& unit) {
    std::vector<Cursor> cursors(unit.inputs.size());
    std::vector<Extent> registers(unit.inputs.size());
    std::vector<Extent> accumulated(unit.outputs.size());
    for (int64_t f = 0; f < unit.firings; ++f) {
      registers.resize(unit.inputs.size());
      for (size_t i = 0; i < unit.inputs.size(); ++i) {
        if (unit.inputs[i].phases.active(f))
          RDU_CHECK_OK(take(unit, unit.inputs[i].channel, cursors[i], registers[i]));
      }
      if (unit.kind == UnitKind::kSend || unit.kind == UnitKind::kReceive) {
        exchange(unit, registers[0]);
        continue;
      }
      RDU_CHECK_OK(compute(u, unit, f, registers, accumulated));
    }
    return {};
  }

  Status compute(size_t u, const Unit& unit, int64_t f, std::vector<Extent>& registers,
                 std::vector<Extent>& accumulated) {
    std::vector<bool> read(unit.outputs.size());
    for (size_t o = 0; o < unit.outputs.size(); ++o) {
      const OutputPort& port = unit.outputs[o];
      read[o] = port.accumulate != Accumulate::kNone || port.phases.active(f);
    }
    std::vector<bool> needed = needed_registers(unit, read);
    RDU_CHECK_OK(firing_extents(unit, needed, f, registers));
    for (size_t o = 0; o < unit.outputs.size(); ++o) {
      const OutputPort& port = unit.outputs[o];
      if (!read[o]) continue;
      Extent& sum = accumulated[o];
      const bool fresh = port.accumulate == Accumulate::kNone || f % port.reset_period == 0;
      const Extent& next = registers[port.source];
      sum = fresh ? next : accumulate_extent(port.accumulate, sum, next, port.keep_rows);
      if (port.phases.active(f)) push(port, sum);
    }
    count(u, registers, std::move(needed));
    return {};
  }

  Status take(const Unit& unit, ChannelId channel, Cursor& cursor, Extent& extent) {
    const auto& runs = tokens_[channel.value];
    if (cursor.run < runs.size() && cursor.used == runs[cursor.run].count) cursor = {cursor.run + 1, 0};
    RDU_CHECK(cursor.run < runs.size(), "section {}, unit {}: channel {} runs out of tokens", section_.name,
              unit.name, section_.channels[channel.value].name);
    ++cursor.used;
    extent = runs[cursor.run].extent;
    return {};
  }

  // A send passes on its own chunk, a receive what was combined: the declared size of the channel it feeds.
  void exchange(const Unit& unit, const Extent& in) {
    for (const OutputPort& port : unit.outputs) {
      if (port.channels.empty()) continue;
      push(port, Extent{in.rows, section_.channels[port.channels[0].value].cols, 0, 0});
    }
  }

  // Inputs of which a firing reads one slice and nothing else: what lies beside it is no work.
  static std::vector<bool> sliced_inputs(const Unit& unit) {
    std::vector<int> uses(unit.inputs.size(), 0);
    std::vector<bool> sliced(unit.inputs.size(), false);
    for (const OutputPort& port : unit.outputs) {
      if (port.source < uses.size()) ++uses[port.source];
    }
    for (const TileOp& op : unit.body) {
      for (size_t k = 0; k < static_cast<size_t>(tile_op_record(op.kind).operands); ++k) {
        const Register r = op.operands[k];
        if (r >= uses.size()) continue;
        ++uses[r];
        sliced[r] = op.kind == TileOpKind::kSliceRowsByFiring;
      }
    }
    for (size_t i = 0; i < uses.size(); ++i) sliced[i] = sliced[i] && uses[i] == 1;
    return sliced;
  }

  [[nodiscard]] bool same_work(size_t u, const std::vector<Extent>& a, const std::vector<Extent>& b) const {
    const std::vector<bool>& sliced = sliced_[u];
    for (size_t r = 0; r < a.size(); ++r) {
      if ((r >= sliced.size() || !sliced[r]) && !same_size(a[r], b[r])) return false;
    }
    return true;
  }

  static bool same_size(const Extent& a, const Extent& b) { return a.rows == b.rows && a.cols == b.cols; }

  void count(size_t u, const std::vector<Extent>& registers, std::vector<bool> needed) {
    for (size_t k = 0; k < work_[u].size(); ++k) {
      FiringKind& known = work_[u][k];
      if (known.needed != needed || !same_work(u, known.registers, registers)) continue;
      ++known.count;
      return order_[u].push_back(static_cast<uint32_t>(k));
    }
    order_[u].push_back(static_cast<uint32_t>(work_[u].size()));
    work_[u].push_back({registers, std::move(needed), 1});
  }

  const Section& section_;
  std::vector<std::vector<Run>> tokens_;
  std::vector<std::vector<FiringKind>> work_;
  std::vector<std::vector<uint32_t>> order_;  // by unit
  std::vector<std::vector<bool>> sliced_;     // by unit, input
};

}  // namespace rdusim::compiler
