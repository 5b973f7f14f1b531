// PmuModel: one pattern memory unit, access by access. Nothing is ticked: an access says from when it wants
// its port and gets the cycles in which it is served.
//
//   write port ─┐                      ┌─ bank 0:  [col 0][col 1] ... [col 31]   a line, one lane a column
//               ├─ up to 4 addresses ──┼─ bank 1:  ...
//   read port ──┘  a cycle, both ports └─ bank 15
//
// A bank's line is as wide as a port. Each lane's column of a bank has its own address, and does one access a
// cycle, read or write. So a vector of one line keeps one bank busy, and the other port can use the others
// (double buffers belong in different banks); and a vector whose elements lie in different columns is read at
// once, wherever their lines are: that is what diagonal striping (layout.h) is for. Elements that meet in one
// column of one bank wait for each other: a conflict. Which address bits choose the bank is programmable.
//
// Sources: 16 banks (ICPE), one vector in and one out a cycle (STeP), 4 addresses a cycle (Hot Chips 2024),
// programmable bank bits, concurrent reads and writes, diagonal striping read at full rate both ways (MICRO
// 2024, Sec. IV-B). assumed: single-ported columns of one 16-bit lane, which is what makes those statements
// true together; access latency (address pipeline, column, alignment, output register). Left out: the scalar
// ALUs that compute addresses, their values.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/arch/chip.h"
#include "base/result.h"

namespace rdusim::sim {

// A 16-bit cell of the scratchpad: byte address / 2.
using Cell = uint32_t;
inline constexpr int64_t kCellBytes = 2;

struct PmuGeometry {
  int64_t capacity_bytes = 0;
  int64_t line_bytes = 64;            // of a bank, and of each port a cycle
  int64_t addresses_per_cycle = 4;    // source: Hot Chips 2024; both ports together
  int64_t access_latency_cycles = 4;  // assumed: address, column, alignment, output register
  std::vector<int> bank_bits;         // positions in the byte address, lowest bank bit first

  [[nodiscard]] int64_t columns() const { return line_bytes / kCellBytes; }
  [[nodiscard]] int64_t banks() const { return int64_t{1} << bank_bits.size(); }
};

// Bank bits: none = the topmost, so that a bank is one contiguous range; one = the lowest of consecutive
// bits; else all of them. Fails when the sizes are no powers of two or bits do not fit the line, the capacity
// or the number of banks.
Result<PmuGeometry> pmu_geometry(const PmuSpec& spec, const std::vector<int>& bank_bits);

class PmuModel {
 public:
  enum class Port : uint8_t { kRead, kWrite };
  struct Grant {
    int64_t first_cycle = 0;  // the access has its port and its addresses
    int64_t last_cycle = 0;   // its last element is served; the port is free in the next cycle
    int64_t ready_cycle = 0;  // a read's vector is at the output; a write's can be read
  };
  struct Counters {
    int64_t accesses[2] = {0, 0};  // by port
    int64_t addresses = 0;
    int64_t own_conflicts = 0;        // elements that waited for another of their own access
    int64_t port_conflicts = 0;       // ... for the other port
    int64_t conflict_cycles = 0;      // cycles that accesses took beyond their first
    int64_t address_wait_cycles = 0;  // accesses waited for an address slot
  };

  explicit PmuModel(PmuGeometry geometry);

  // The cells of one vector, at most line_bytes of them, made from `addresses` addresses (at most
  // addresses_per_cycle). Times of one port never go back. The same cell twice is served once.
  Grant access(Port port, int64_t cycle, std::span<const Cell> cells, int64_t addresses = 1);
  // A vector of consecutive bytes from any even address; beyond the end of the scratchpad it is our own bug.
  Grant access_bytes(Port port, int64_t cycle, int64_t address, int64_t bytes);

  [[nodiscard]] int64_t port_free_cycle(Port port) const { return port_free_[static_cast<size_t>(port)]; }
  [[nodiscard]] const Counters& counters() const { return counters_; }
  [[nodiscard]] const PmuGeometry& geometry() const { return geometry_; }

 private:
  struct Column {
    int64_t free_cycle = 0;
    int64_t access = -1;  // that used it last
    Cell line = 0;        // which line that was
  };
  struct AddressCycle {
    int64_t cycle = -1;
    int64_t used = 0;
  };
  static constexpr size_t kAddressCycles = 64;  // ports drift apart by less; beyond, a slot counts as free

  [[nodiscard]] size_t column_of(Cell cell) const;
  int64_t take_addresses(int64_t cycle, int64_t addresses);

  PmuGeometry geometry_;
  std::vector<Column> columns_;
  std::vector<AddressCycle> address_cycles_;
  int64_t port_free_[2] = {0, 0};
  int64_t accesses_ = 0;
  int column_shift_ = 0;
  Cell column_mask_ = 0;
  std::vector<Cell> scratch_;
  Counters counters_;
};

}  // namespace rdusim::sim
