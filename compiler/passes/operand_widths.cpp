#include "compiler/passes/operand_widths.h"

#include <algorithm>

#include "compiler/passes/traffic.h"

namespace rdusim::compiler {

namespace {

bool computes(const Unit& unit) {
  return unit.kind == UnitKind::kGemm || unit.kind == UnitKind::kSimd;
}

}  // namespace

OperandWidths::OperandWidths(Section& section, const SectionWork& work, const ChipSpec& chip,
                             const Turn& turn)
    : section_(section),
      port_bytes_(chip.pmu.port_bytes_per_cycle),
      stream_bytes_(section.channels.size(), 0) {
  std::vector<Unit*> buffers(section.channels.size(), nullptr);  // that feed each channel
  for (Unit& unit : section.units) {
    for (const OutputPort& port : unit.outputs) {
      for (const ChannelId c : port.channels) {
        if (unit.kind == UnitKind::kBuffer) buffers[c.value] = &unit;
        if (unit.kind == UnitKind::kLoad && !unit.stream->gather)
          stream_bytes_[c.value] = work.elements(c.value) * dtype_bytes(section.channels[c.value].dtype);
      }
    }
  }
  for (size_t u = 0; u < section.units.size(); ++u) {
    const Unit& unit = section.units[u];
    if (!computes(unit)) continue;
    const int64_t pace = pace_cycles(u, work, chip, turn);
    for (size_t i = 0; i < unit.inputs.size(); ++i) {
      const size_t c = unit.inputs[i].channel.value;
      int64_t* pmus = buffers[c] != nullptr ? &buffers[c]->pmus : &section.channels[c].pmus;
      if (*pmus > 0) add(u, i, pmus, pace, work);
    }
  }
}

void OperandWidths::add(size_t unit, size_t input, int64_t* pmus, int64_t cycles, const SectionWork& work) {
  const int64_t bytes = work.paced_operand_bytes(unit, input);
  const int64_t pcus = section_.units[unit].pcus;
  const auto same =
      std::find_if(holders_.begin(), holders_.end(), [&](const Holder& h) { return h.pmus == pmus; });
  if (same == holders_.end()) return holders_.push_back({pmus, bytes, cycles, pcus});
  same->bytes += bytes;
  same->cycles = std::min(same->cycles, cycles);
  same->most += pcus;
}

int64_t OperandWidths::pace_cycles(size_t unit, const SectionWork& work, const ChipSpec& chip,
                                   const Turn& turn) const {
  const Unit& x = section_.units[unit];
  int64_t service = 0;
  for (const FiringKind& kind : work.work(unit))
    service += kind.count * compute_service(x, chip.pcu, kind.needed, kind.registers);
  int64_t streamed = 0;
  for (const InputPort& port : x.inputs) streamed += stream_bytes_[port.channel.value];
  if (streamed == 0) return std::max({service, turn.cycles, int64_t{1}});
  const double rate = chip.hbm.achieved_bytes_per_s() / chip.clock_hz;
  const auto stream_cycles = static_cast<int64_t>(static_cast<double>(streamed) / rate);
  return std::max({service, stream_cycles * turn.permille / 1000, int64_t{1}});
}

int64_t OperandWidths::wanted(const Holder& h, int64_t permille) const {
  const double cycles = static_cast<double>(h.cycles) * static_cast<double>(permille) / 1000;
  const auto pmus =
      static_cast<int64_t>(static_cast<double>(h.bytes) / (static_cast<double>(port_bytes_) * cycles) + 1);
  return std::clamp(pmus, *h.pmus, std::max(*h.pmus, h.most));
}

int64_t OperandWidths::more(int64_t permille) const {
  int64_t sum = 0;
  for (const Holder& h : holders_) sum += wanted(h, permille) - *h.pmus;
  return sum;
}

int64_t OperandWidths::widen(int64_t permille, int64_t left) {
  int64_t high = permille;
  while (more(high) > left) high *= 2;
  for (int64_t low = permille; low < high;) {
    const int64_t middle = low + (high - low) / 2;
    if (more(middle) <= left) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  int64_t taken = 0;
  for (const Holder& h : holders_) {
    const int64_t pmus = wanted(h, high);
    taken += pmus - *h.pmus;
    *h.pmus = pmus;
  }
  return taken;
}

int64_t OperandWidths::cycles() const {
  int64_t longest = 0;
  for (const Holder& h : holders_) longest = std::max(longest, ceil_div(h.bytes, port_bytes_ * *h.pmus));
  return longest;
}

}  // namespace rdusim::compiler
