#include "sim/pmu/pmu_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace rdusim::sim {

namespace {

bool power_of_two(int64_t x) {
  return x > 0 && std::has_single_bit(static_cast<uint64_t>(x));
}

int log2_of(int64_t x) {
  return std::countr_zero(static_cast<uint64_t>(x));
}

Error bad_bits(const std::string& what, const std::string& hint) {
  return Error{ErrorCode::kInvalidInput, "bank bits", what, hint};
}

}  // namespace

Result<PmuGeometry> pmu_geometry(const PmuSpec& spec, const std::vector<int>& bank_bits) {
  if (!power_of_two(spec.banks) || !power_of_two(spec.capacity_bytes) ||
      !power_of_two(spec.port_bytes_per_cycle) || spec.port_bytes_per_cycle < kCellBytes ||
      spec.capacity_bytes < spec.banks * spec.port_bytes_per_cycle) {
    return Error{ErrorCode::kInvalidInput, "pmu",
                 fmt::format("{} banks of {} B behind a port of {} B", spec.banks, spec.capacity_bytes,
                             spec.port_bytes_per_cycle),
                 "banks, capacity and port width must be powers of two, and a bank at least a line"};
  }
  PmuGeometry g;
  g.capacity_bytes = spec.capacity_bytes;
  g.line_bytes = spec.port_bytes_per_cycle;
  const int count = log2_of(spec.banks);
  const int lowest = log2_of(g.line_bytes);
  const int highest = log2_of(g.capacity_bytes) - 1;
  const std::string range =
      fmt::format("bits {} to {} choose the line, and {} of them the bank", lowest, highest, count);
  if (bank_bits.size() <= 1) {
    const int first = bank_bits.empty() ? highest - count + 1 : bank_bits.front();
    for (int b = 0; b < count; ++b) g.bank_bits.push_back(first + b);
  } else {
    g.bank_bits = bank_bits;
    std::sort(g.bank_bits.begin(), g.bank_bits.end());
  }
  if (static_cast<int>(g.bank_bits.size()) != count) {
    return bad_bits(fmt::format("{} bits for {} banks", g.bank_bits.size(), spec.banks), range);
  }
  if (std::adjacent_find(g.bank_bits.begin(), g.bank_bits.end()) != g.bank_bits.end())
    return bad_bits("a bit stands twice", range);
  for (const int bit : g.bank_bits) {
    if (bit < lowest || bit > highest) return bad_bits(fmt::format("bit {} chooses no line", bit), range);
  }
  return g;
}

PmuModel::PmuModel(PmuGeometry geometry)
    : geometry_(std::move(geometry)),
      columns_(static_cast<size_t>(geometry_.banks() * geometry_.columns())),
      address_cycles_(kAddressCycles),
      column_shift_(log2_of(geometry_.columns())),
      column_mask_(static_cast<Cell>(geometry_.columns() - 1)) {}

size_t PmuModel::column_of(Cell cell) const {
  const uint64_t address = static_cast<uint64_t>(cell) * kCellBytes;
  size_t bank = 0;
  for (size_t b = 0; b < geometry_.bank_bits.size(); ++b)
    bank |= (address >> geometry_.bank_bits[b] & 1U) << b;
  return bank << column_shift_ | (cell & column_mask_);
}

// First cycle from `cycle` on in which the address pipelines have that many addresses left.
int64_t PmuModel::take_addresses(int64_t cycle, int64_t addresses) {
  RDU_CHECK(addresses >= 1 && addresses <= geometry_.addresses_per_cycle, "{} addresses at once", addresses);
  counters_.addresses += addresses;
  for (;; ++cycle) {
    AddressCycle& slot = address_cycles_[static_cast<size_t>(cycle) % kAddressCycles];
    if (slot.cycle != cycle) slot = {cycle, 0};
    if (slot.used + addresses > geometry_.addresses_per_cycle) continue;
    slot.used += addresses;
    return cycle;
  }
}

PmuModel::Grant PmuModel::access(Port port, int64_t cycle, std::span<const Cell> cells, int64_t addresses) {
  const auto p = static_cast<size_t>(port);
  RDU_CHECK(cycle >= 0 && !cells.empty() && static_cast<int64_t>(cells.size()) <= geometry_.line_bytes,
            "{} cells at cycle {}", cells.size(), cycle);
  const int64_t wanted = std::max(cycle, port_free_[p]);
  Grant grant;
  grant.first_cycle = take_addresses(wanted, addresses);
  counters_.address_wait_cycles += grant.first_cycle - wanted;
  grant.last_cycle = grant.first_cycle;
  const int64_t id = accesses_++;
  for (const Cell cell : cells) {
    Column& column = columns_[column_of(cell)];
    const Cell line = cell >> column_shift_;
    if (column.access == id && column.line == line) continue;
    int64_t at = grant.first_cycle;
    if (column.free_cycle > at) {
      ++(column.access == id ? counters_.own_conflicts : counters_.port_conflicts);
      at = column.free_cycle;
    }
    column = {at + 1, id, line};
    grant.last_cycle = std::max(grant.last_cycle, at);
  }
  ++counters_.accesses[p];
  counters_.conflict_cycles += grant.last_cycle - grant.first_cycle;
  port_free_[p] = grant.last_cycle + 1;
  grant.ready_cycle = grant.last_cycle + geometry_.access_latency_cycles;
  return grant;
}

PmuModel::Grant PmuModel::access_bytes(Port port, int64_t cycle, int64_t address, int64_t bytes) {
  RDU_CHECK(address >= 0 && bytes > 0 && address + bytes <= geometry_.capacity_bytes, "bytes {} + {} of {}",
            address, bytes, geometry_.capacity_bytes);
  scratch_.clear();
  const int64_t end = (address + bytes + kCellBytes - 1) / kCellBytes;
  for (int64_t cell = address / kCellBytes; cell < end; ++cell) scratch_.push_back(static_cast<Cell>(cell));
  return access(port, cycle, scratch_);
}

}  // namespace rdusim::sim
