// rdusim probe pmu: a matrix in one or several PMUs under one access pattern.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/inputs.h"
#include "cli/probes/probes.h"
#include "report/format.h"
#include "sim/pmu/pmu_workload.h"

namespace rdusim::cli {
namespace {

constexpr int64_t kLargestSize = int64_t{1} << 20;

struct Options {
  NodeChoice node;
  std::string pattern = "row";
  std::string layout;  // empty: diagonal for a transpose, else linear
  std::string dtype = "bf16";
  sim::PmuWorkload workload{.rows = 128, .cols = 128, .stride = 2};
  int64_t banks = 0;    // 0: the chip's
  int64_t buffers = 0;  // 0: two for a transpose, else one
  std::vector<int> bank_bits;
};

sim::Walk walk_of(const std::string& pattern) {
  if (pattern == "stream") return sim::Walk::kStream;
  if (pattern == "row") return sim::Walk::kRow;
  if (pattern == "strided") return sim::Walk::kStrided;
  if (pattern == "gather") return sim::Walk::kGather;
  return sim::Walk::kColumn;  // column, transpose
}

sim::PmuWorkload workload_of(const Session& session, const Options& o) {
  sim::PmuWorkload w = o.workload;
  const bool transpose = o.pattern == "transpose";
  w.walk = walk_of(o.pattern);
  w.format = *sim::format_from_name(o.dtype);
  const std::string layout = !o.layout.empty() ? o.layout : transpose ? "diagonal" : "linear";
  w.striping = layout == "diagonal" ? sim::Striping::kDiagonal : sim::Striping::kLinear;
  w.buffers = o.buffers > 0 ? o.buffers : transpose ? 2 : 1;
  w.seed = session.seed;
  return w;
}

report::Json result_json(const Options& o, const sim::PmuWorkload& w, const sim::PmuGeometry& g,
                         const sim::PmuResult& r, double clock_hz) {
  const double seconds = static_cast<double>(r.cycles) / clock_hz;
  return {{"pattern", o.pattern},
          {"layout", w.striping == sim::Striping::kDiagonal ? "diagonal" : "linear"},
          {"rows", w.rows},
          {"columns", w.cols},
          {"dtype", o.dtype},
          {"stride", w.stride},
          {"pmus", w.pmus},
          {"buffers", w.buffers},
          {"banks", g.banks()},
          {"bank_bits", g.bank_bits},
          {"cycles", r.cycles},
          {"latency_ns", static_cast<double>(g.access_latency_cycles) / clock_hz * 1e9},
          {"read_bytes", r.read_bytes},
          {"written_bytes", r.written_bytes},
          {"bandwidth_bytes_per_s", static_cast<double>(r.read_bytes) / seconds},
          {"write_bandwidth_bytes_per_s", static_cast<double>(r.written_bytes) / seconds},
          {"fraction_of_peak", r.fraction_of_peak},
          {"conflicts", r.counters.own_conflicts + r.counters.port_conflicts},
          {"conflicts_within_vector", r.counters.own_conflicts},
          {"conflicts_between_ports", r.counters.port_conflicts},
          {"conflict_cycles", r.counters.conflict_cycles},
          {"address_wait_cycles", r.counters.address_wait_cycles},
          {"addresses", r.counters.addresses},
          {"busiest_pmu_accesses", r.busiest_pmu_accesses}};
}

Result<int> probe(Session& session, const Options& o) {
  RDU_ASSIGN(const auto chosen, load_chosen_node(session, o.node));
  PmuSpec spec = chosen.node.chip.pmu;
  if (o.banks > 0) spec.banks = o.banks;
  RDU_ASSIGN(const sim::PmuGeometry geometry, sim::pmu_geometry(spec, o.bank_bits));
  const sim::PmuWorkload w = workload_of(session, o);
  RDU_ASSIGN(const sim::PmuResult r, sim::run_pmu_workload(geometry, w));
  const double clock_hz = chosen.node.chip.clock_hz;
  session.print(fmt::format(
      "{} of {} x {} {} in {} PMU ({}, {} banks by bits {}): {} cycles, {}, {} of the read ports' peak\n"
      "{} elements waited for another of their vector, {} for the other port; {} cycles lost to conflicts, "
      "{} to "
      "addresses\n",
      o.pattern, w.rows, w.cols, o.dtype, w.pmus,
      w.striping == sim::Striping::kDiagonal ? "diagonal" : "linear", geometry.banks(),
      fmt::join(geometry.bank_bits, ","), r.cycles,
      report::format_bandwidth(static_cast<double>(r.read_bytes) * clock_hz / static_cast<double>(r.cycles)),
      report::format_percent(r.fraction_of_peak), r.counters.own_conflicts, r.counters.port_conflicts,
      r.counters.conflict_cycles, r.counters.address_wait_cycles));
  RDU_CHECK_OK(session.write_json(result_json(o, w, geometry, r, clock_hz)));
  return kExitOk;
}

void add_workload_options(CLI::App& command, Options& o) {
  const CLI::Range size(int64_t{1}, kLargestSize);
  command
      .add_option("--pattern", o.pattern,
                  "order of reads: stream (packed), row, column, strided, gather (random rows), or "
                  "transpose: columns "
                  "are read while the next matrix is written row by row (default row)")
      ->check(CLI::IsMember({"stream", "row", "column", "strided", "gather", "transpose"}));
  command.add_option("--rows", o.workload.rows, "rows of the matrix (default 128)")->check(size);
  command.add_option("--columns", o.workload.cols, "columns of the matrix (default 128)")->check(size);
  command.add_option("--dtype", o.dtype, "number format of its elements (default bf16)")
      ->check(CLI::IsMember({"bf16", "fp32", "int32", "int8"}));
  command
      .add_option("--layout", o.layout,
                  "linear, or diagonal: each row rotated by one more element (default for transpose)")
      ->check(CLI::IsMember({"linear", "diagonal"}));
  command.add_option("--stride", o.workload.stride, "strided: every n-th element (default 2)")->check(size);
  command
      .add_option("--gathered-rows", o.workload.gathered_rows,
                  "gather: how many rows (default: as many as there are)")
      ->check(size);
  command.add_option("--pmus", o.workload.pmus, "PMUs that share the rows (default 1)")
      ->check(CLI::Range(1, 4096));
  command
      .add_option("--buffers", o.buffers,
                  "n-buffering: above 1, the next matrix is written while one is read (default 2 for "
                  "transpose, else 1)")
      ->check(CLI::Range(1, 64));
  command.add_option("--banks", o.banks, "banks of a PMU, a power of two (default: the chip's)")
      ->check(CLI::Range(1, 1024));
  command
      .add_option(
          "--bank-bits", o.bank_bits,
          "address bits that choose the bank, or the lowest of consecutive ones (default: the topmost)")
      ->delimiter(',')
      ->check(CLI::Range(0, 62));
}

}  // namespace

void add_pmu_probe(CLI::App& parent, Session& session) {
  auto options = std::make_shared<Options>();
  auto* command = parent.add_subcommand("pmu", "a matrix in pattern memory units under an access pattern");
  add_node_options(*command, options->node);
  add_workload_options(*command, *options);
  command->footer(
      "Examples:\n"
      "  rdusim probe pmu --pattern transpose --rows 128 --columns 128 --layout diagonal\n"
      "  rdusim probe pmu --pattern column --layout linear --bank-bits 6\n"
      "  rdusim probe pmu --pattern gather --rows 4096 --columns 64 --pmus 4");
  command->callback(
      [&session, options] { session.body = [options](Session& s) { return probe(s, *options); }; });
}

}  // namespace rdusim::cli
