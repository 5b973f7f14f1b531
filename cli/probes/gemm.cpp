// rdusim probe gemm: one matrix product on systolic arrays of any size, and the same against the results of
// an outside simulator.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/inputs.h"
#include "cli/probes/gemm_reference.h"
#include "cli/probes/probes.h"
#include "report/format.h"
#include "report/table.h"
#include "sim/pcu/lane_rate.h"
#include "sim/pcu/systolic.h"

namespace rdusim::cli {
namespace {

using sim::DrainPath;
using sim::FoldOverlap;
using sim::GemmCycles;
using sim::GemmShape;
using sim::OperandPath;
using sim::SystolicArray;

// Sizes stay below this, so that no product of them overflows.
constexpr int64_t kLargestSize = int64_t{1} << 20;

struct Options {
  NodeChoice node;
  GemmShape shape;
  int64_t rows = 0;     // 0: the chip's stages
  int64_t columns = 0;  // 0: the chip's lanes
  int64_t pcus = 1;
  std::string dataflow = "os";
  std::string overlap = "none";
  std::string operands = "skewed";
  std::string drain = "wavefront";
  std::string dtype = "bf16";
  bool reference = false;
  std::string reference_file;
};

SystolicArray array_of(const Options& o, const PcuSpec& pcu) {
  SystolicArray array;
  array.rows = o.rows > 0 ? o.rows : pcu.stages;
  array.columns = sim::lanes_of(*sim::format_from_name(o.dtype), o.columns > 0 ? o.columns : pcu.lanes);
  array.dataflow = dataflow_of(o.dataflow);
  array.overlap = o.overlap == "none" ? FoldOverlap::kNone : FoldOverlap::kFillDrain;
  array.operands = o.operands == "skewed" ? OperandPath::kSkewed : OperandPath::kBroadcast;
  array.drain = o.drain == "wavefront" ? DrainPath::kWavefront : DrainPath::kTail;
  array.arrays = o.pcus;
  return array;
}

report::Json result_json(const Options& o, const SystolicArray& array, const GemmCycles& g,
                         int64_t unoverlapped, double clock_hz) {
  const double seconds = static_cast<double>(g.cycles) / clock_hz;
  const double flops =
      2.0 * static_cast<double>(o.shape.m) * static_cast<double>(o.shape.k) * static_cast<double>(o.shape.n);
  return {{"m", o.shape.m},
          {"k", o.shape.k},
          {"n", o.shape.n},
          {"rows", array.rows},
          {"columns", array.columns},
          {"pcus", array.arrays},
          {"dtype", o.dtype},
          {"dataflow", o.dataflow},
          {"overlap", o.overlap},
          {"operands", o.operands},
          {"drain", o.drain},
          {"cycles", g.cycles},
          {"ideal_cycles", g.ideal_cycles},
          {"utilization", g.utilization},
          {"mapping_efficiency", g.mapping_efficiency},
          {"folds", g.folds},
          {"folds_per_pcu", g.folds_per_array},
          {"k_split", g.k_split},
          {"stream_cycles", g.stream_cycles},
          {"fill_cycles", g.fill_cycles},
          {"drain_cycles", g.drain_cycles},
          {"fold_interval_cycles", g.interval_cycles},
          {"cycles_without_overlap", unoverlapped},
          {"overlap_gain", static_cast<double>(unoverlapped) / static_cast<double>(g.cycles)},
          {"seconds", seconds},
          {"flops_per_s", flops / seconds}};
}

Result<int> probe(Session& session, const Options& o) {
  RDU_ASSIGN(const auto chosen, load_chosen_node(session, o.node));
  const ChipSpec& chip = chosen.node.chip;
  SystolicArray array = array_of(o, chip.pcu);
  const GemmCycles g = sim::systolic_gemm(array, o.shape);
  array.overlap = FoldOverlap::kNone;
  const int64_t unoverlapped = sim::systolic_gemm(array, o.shape).cycles;
  array.overlap = FoldOverlap::kFillDrain;
  const int64_t overlapped = sim::systolic_gemm(array, o.shape).cycles;
  session.print(
      fmt::format("{} x {} x {} ({}) on {} PCU of {} rows x {} columns, {}: {} cycles, {} at {:.4g} GHz\n"
                  "{} folds ({} on one PCU), {} cycles of operands each, {} fill, {} drain; ideal {} cycles, "
                  "{} of the MACs "
                  "busy\nfolds one after the other: {} cycles; fill and drain overlapped: {} cycles ({:.2f} "
                  "times faster)\n",
                  o.shape.m, o.shape.k, o.shape.n, o.dtype, array.arrays, array.rows, array.columns,
                  o.dataflow, g.cycles, report::format_time(static_cast<double>(g.cycles) / chip.clock_hz),
                  chip.clock_hz / 1e9, g.folds, g.folds_per_array, g.stream_cycles, g.fill_cycles,
                  g.drain_cycles, g.ideal_cycles, report::format_percent(g.utilization), unoverlapped,
                  overlapped, static_cast<double>(unoverlapped) / static_cast<double>(overlapped)));
  RDU_CHECK_OK(session.write_json(result_json(o, array, g, unoverlapped, chip.clock_hz)));
  return kExitOk;
}

Result<int> compare(Session& session, const Options& o) {
  const std::string path = o.reference_file.empty()
                               ? session.config.config_dir + "/published/systolic_gemm.csv"
                               : o.reference_file;
  RDU_ASSIGN(const auto rows, read_gemm_reference(session, path));
  report::Table table{
      {"simulator", "dataflow", "array", "M x K x N", "theirs", "ours", "error %", "overlapped", "gain"}, {}};
  report::Json json = report::Json::array();
  int64_t short_rows = 0;
  for (const GemmReferenceRow& row : rows) {
    SystolicArray array = row.array();
    const int64_t ours = sim::systolic_gemm(array, row.shape).cycles;
    array.overlap = FoldOverlap::kFillDrain;
    const int64_t overlapped = sim::systolic_gemm(array, row.shape).cycles;
    const double error = (static_cast<double>(ours) / static_cast<double>(row.compute_cycles) - 1) * 100;
    const double gain = static_cast<double>(ours) / static_cast<double>(overlapped);
    const bool passed = std::abs(error) <= kGemmTolerancePercent;
    short_rows += passed ? 0 : 1;
    table.add({row.simulator, row.dataflow, fmt::format("{} x {}", row.rows, row.columns),
               fmt::format("{} x {} x {}", row.shape.m, row.shape.k, row.shape.n),
               fmt::to_string(row.compute_cycles), fmt::to_string(ours), fmt::format("{:+.3f}", error),
               fmt::to_string(overlapped), fmt::format("{:.2f}", gain)});
    json.push_back({{"simulator", row.simulator},
                    {"dataflow", row.dataflow},
                    {"rows", row.rows},
                    {"columns", row.columns},
                    {"m", row.shape.m},
                    {"k", row.shape.k},
                    {"n", row.shape.n},
                    {"reference_cycles", row.compute_cycles},
                    {"cycles", ours},
                    {"error_percent", error},
                    {"cycles_overlapped", overlapped},
                    {"overlap_gain", gain},
                    {"passed", passed}});
  }
  session.print(report::table_text(table));
  session.print(fmt::format("\n{} of {} rows within {} %; theirs numbers cycles from 0, so it is one less\n",
                            static_cast<int64_t>(rows.size()) - short_rows, rows.size(),
                            kGemmTolerancePercent));
  RDU_CHECK_OK(session.write_json({{"rows", std::move(json)}, {"tolerance_percent", kGemmTolerancePercent}}));
  return short_rows == 0 ? kExitOk : kExitFellShort;
}

void add_array_options(CLI::App& command, Options& o) {
  const CLI::Range size(int64_t{1}, kLargestSize);
  command.add_option("--m", o.shape.m, "rows of A and C")->check(size);
  command.add_option("--k", o.shape.k, "columns of A, rows of B")->check(size);
  command.add_option("--n", o.shape.n, "columns of B and C")->check(size);
  command.add_option("--rows", o.rows, "rows of the array (default: the chip's stages)")->check(size);
  command
      .add_option("--columns", o.columns, "columns of the array, 16-bit lanes (default: the chip's lanes)")
      ->check(size);
  command.add_option("--pcus", o.pcus, "arrays side by side (default 1)")->check(size);
  command.add_option("--dataflow", o.dataflow, "what stays in the array: outputs, weights (B) or inputs (A)")
      ->check(CLI::IsMember({"os", "ws", "is"}));
  command
      .add_option("--overlap", o.overlap,
                  "none: a fold starts when the one before has ended (default); fill_drain: right behind it")
      ->check(CLI::IsMember({"none", "fill_drain"}));
  command
      .add_option(
          "--operands", o.operands,
          "skewed: from MAC to MAC both ways (default); broadcast: a row's operand to all columns at once")
      ->check(CLI::IsMember({"skewed", "broadcast"}));
  command
      .add_option(
          "--drain", o.drain,
          "results of os leave with the wavefront (default), or are shifted through the rows to the tail")
      ->check(CLI::IsMember({"wavefront", "tail"}));
  command.add_option("--dtype", o.dtype, "number format: two lanes make one of 32 bits (default bf16)")
      ->check(CLI::IsMember({"bf16", "fp32", "int32", "int8"}));
}

}  // namespace

void add_gemm_probe(CLI::App& parent, Session& session) {
  auto options = std::make_shared<Options>();
  auto* command = parent.add_subcommand("gemm", "a matrix product on systolic arrays of any size");
  add_node_options(*command, options->node);
  add_array_options(*command, *options);
  command
      ->add_option("--reference", options->reference_file,
                   "compare with an outside simulator's results instead (default: configs/published/"
                   "systolic_gemm.csv)")
      ->type_name("FILE")
      ->expected(0, 1);
  command->footer(
      "The chip's own array: --operands broadcast --drain tail --overlap fill_drain. With --reference, exit "
      "code 1 "
      "when a row is off by more than 2 %.\n"
      "\n"
      "Examples:\n"
      "  rdusim probe gemm --m 64 --k 256 --n 256 --rows 32 --columns 32\n"
      "  rdusim probe gemm --m 2048 --k 4096 --n 512 --pcus 86 --operands broadcast --drain tail --overlap "
      "fill_drain\n"
      "  rdusim probe gemm --reference");
  command->callback([&session, command, options] {
    options->reference = command->count("--reference") > 0;
    session.body = [options](Session& s) {
      return options->reference ? compare(s, *options) : probe(s, *options);
    };
  });
}

}  // namespace rdusim::cli
