#include "sim/pmu/pmu_workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/random.h"

namespace rdusim::sim {

namespace {

using Port = PmuModel::Port;

constexpr int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// Reads buffer 0 in the pattern while the next buffer, if there is one, is filled; the stream that is
// behind goes first.
PmuResult run_counters(const PmuGeometry& geometry, const PmuWorkload& w, const MatrixLayout& read_layout,
                       const MatrixLayout& write_layout) {
  PmuModel pmu(geometry);
  AccessWalk reads(read_layout, w.walk, w.stride, {}, geometry.addresses_per_cycle);
  // A packed stream is written as it is read; else rows arrive one by one.
  const Walk written = w.walk == Walk::kStream ? Walk::kStream : Walk::kRow;
  AccessWalk writes(write_layout, written, 1, {}, geometry.addresses_per_cycle);
  PmuResult result;
  WalkVector read;
  WalkVector write;
  bool reading = reads.next(read);
  bool writing = w.buffers > 1 && writes.next(write);
  int64_t end = 0;
  while (reading || writing) {
    const bool read_first = pmu.port_free_cycle(Port::kRead) <= pmu.port_free_cycle(Port::kWrite);
    if (reading && (!writing || read_first)) {
      end = std::max(end, pmu.access(Port::kRead, 0, read.cells, read.addresses).last_cycle + 1);
      result.read_bytes += read.elements * format_bytes(w.format);
      reading = reads.next(read);
    } else {
      end = std::max(end, pmu.access(Port::kWrite, 0, write.cells, write.addresses).last_cycle + 1);
      result.written_bytes += write.elements * format_bytes(w.format);
      writing = writes.next(write);
    }
  }
  result.cycles = end;
  result.counters = pmu.counters();
  result.busiest_pmu_accesses = result.counters.accesses[0] + result.counters.accesses[1];
  return result;
}

void add(PmuModel::Counters& sum, const PmuModel::Counters& c) {
  sum.accesses[0] += c.accesses[0];
  sum.accesses[1] += c.accesses[1];
  sum.addresses += c.addresses;
  sum.own_conflicts += c.own_conflicts;
  sum.port_conflicts += c.port_conflicts;
  sum.conflict_cycles += c.conflict_cycles;
  sum.address_wait_cycles += c.address_wait_cycles;
}

// One PMU behind the broadcast: takes the rows of its range.
struct Member {
  explicit Member(const PmuGeometry& geometry) : pmu(geometry) {}
  PmuModel pmu;
  std::array<int64_t, kAddressFifo> taken{};  // when each of the last addresses left the FIFO
  int64_t count = 0;
};

PmuResult run_gather(const PmuGeometry& geometry, const PmuWorkload& w, const MatrixLayout& layout) {
  std::vector<Member> members(static_cast<size_t>(w.pmus), Member(geometry));
  Random random(w.seed);
  const int64_t rows = w.gathered_rows > 0 ? w.gathered_rows : w.rows;
  const int64_t rows_each = layout.rows();
  PmuResult result;
  int64_t broadcast = 0;  // cycle of the address that comes
  int64_t in_cycle = 0;   // addresses broadcast in it
  std::vector<int64_t> indices;
  const int64_t fold =
      std::clamp<int64_t>(layout.elements_per_vector() / layout.cols(), 1, geometry.addresses_per_cycle);
  std::vector<std::vector<int64_t>> waiting(members.size());
  const auto serve = [&](size_t m) {
    Member& member = members[m];
    AccessWalk walk(layout, Walk::kGather, 1, waiting[m], geometry.addresses_per_cycle);
    WalkVector vector;
    int64_t begun = broadcast;
    while (walk.next(vector)) {
      const auto grant = member.pmu.access(Port::kRead, broadcast, vector.cells, vector.addresses);
      begun = grant.first_cycle;
      result.cycles = std::max(result.cycles, grant.last_cycle + 1);
      result.read_bytes += vector.elements * format_bytes(w.format);
    }
    for (size_t i = 0; i < waiting[m].size(); ++i)
      member.taken[static_cast<size_t>(member.count++ % kAddressFifo)] = begun;
    waiting[m].clear();
  };
  for (int64_t i = 0; i < rows; ++i) {
    const auto row = static_cast<int64_t>(random.below(static_cast<uint64_t>(w.rows)));
    const auto owner = static_cast<size_t>(row / rows_each);
    Member& member = members[owner];
    const int64_t room = member.taken[static_cast<size_t>(member.count % kAddressFifo)];
    if (in_cycle == geometry.addresses_per_cycle || room > broadcast) {
      broadcast = std::max(broadcast + 1, room);
      in_cycle = 0;
    }
    ++in_cycle;
    waiting[owner].push_back(row % rows_each);
    if (static_cast<int64_t>(waiting[owner].size()) == fold) serve(owner);
  }
  for (size_t m = 0; m < members.size(); ++m) {
    if (!waiting[m].empty()) serve(m);
    add(result.counters, members[m].pmu.counters());
    result.busiest_pmu_accesses =
        std::max(result.busiest_pmu_accesses, members[m].pmu.counters().accesses[0]);
  }
  return result;
}

}  // namespace

Result<PmuResult> run_pmu_workload(const PmuGeometry& geometry, const PmuWorkload& w) {
  RDU_CHECK(std::min({w.rows, w.cols, w.pmus, w.buffers, w.stride}) >= 1, "a workload of size 0");
  const int64_t rows_each = ceil_div(w.rows, w.pmus);
  const int64_t room = geometry.capacity_bytes / w.buffers / geometry.line_bytes * geometry.line_bytes;
  const MatrixLayout layout(w.striping, rows_each, w.cols, format_bytes(w.format), geometry.line_bytes);
  if (layout.bytes() > room) {
    return Error{ErrorCode::kCapacity, "pmu",
                 fmt::format("{} rows of {} columns take {} B of a PMU; a buffer has {} B", rows_each, w.cols,
                             layout.bytes(), room),
                 "use more PMUs, fewer buffers or a smaller matrix"};
  }
  if (w.walk == Walk::kGather && w.buffers > 1) {
    return Error{ErrorCode::kUnsupported, "pmu", "a gather from several buffers", "gather from one buffer"};
  }
  PmuResult result;
  if (w.walk == Walk::kGather) {
    result = run_gather(geometry, w, layout);
  } else {
    const MatrixLayout next(w.striping, rows_each, w.cols, format_bytes(w.format), geometry.line_bytes,
                            w.buffers > 1 ? room : 0);
    result = run_counters(geometry, w, layout, next);
    // The others have as many rows or fewer; their bytes are what is left of the matrix.
    if (w.pmus > 1) {
      const double share = static_cast<double>(w.rows) / static_cast<double>(rows_each);
      result.read_bytes = static_cast<int64_t>(static_cast<double>(result.read_bytes) * share);
      result.written_bytes = static_cast<int64_t>(static_cast<double>(result.written_bytes) * share);
    }
  }
  result.fraction_of_peak = static_cast<double>(result.read_bytes) /
                            static_cast<double>(result.cycles * w.pmus * geometry.line_bytes);
  return result;
}

}  // namespace rdusim::sim
