// Group fusion: published facts of fusion and orchestration (configs/published/fusion.csv) beside ours.
//
// Unfused is one section an operator, launched by the host, as published; fused is the default of `rdusim
// compile`, launched by the host or by the chip. Every figure comes from whole passes at event fidelity, on
// the software stack that the file names. Batch sizes are not published; the file says which were taken.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "base/io/file.h"
#include "cli/validate/groups.h"
#include "cli/validate/pass_run.h"

namespace rdusim::cli {
namespace {

// assumed: published with two digits, so an end of a range is met within half of the last.
constexpr double kRoundingPercent = 2;

// One fact of the file.
struct Fact {
  std::string what;
  std::string metric;
  std::string model;
  PassChoice pass;
  std::string stack;
  Published published;
  std::string unit;
  std::string source;
  std::string not_judged_because;
};

// How a pass is compiled.
struct Way {
  const char* fusion;
  const char* orchestration;
};
constexpr Way kUnfused{"none", "software"};
// P fuses a whole decoder layer into a kernel, so these do, also where the default, auto, would cut it.
constexpr Way kHostLaunched{"layer", "software"};
constexpr Way kChipLaunched{"layer", "hardware"};

// What the metrics need of a run.
struct Measured {
  double latency_s = 0;
  double launches = 0;
  double operators = 0;  // compute stages and exchanges of the layer's section
  double pcu_share = 0;
  double pmu_share = 0;
  double hbm_share = 0;  // of the peak, while the layer's section runs
  std::string command;
};

// The section of the repeated block: most of the time is spent there.
const SectionResult& layer_of(const RunResult& result) {
  return *std::max_element(
      result.sections.begin(), result.sections.end(),
      [](const SectionResult& a, const SectionResult& b) { return a.cycles() < b.cycles(); });
}

Measured measured(const PassRun& run) {
  const SectionResult& layer = layer_of(run.result);
  const ChipSpec& chip = run.node.chip;
  Measured m;
  m.latency_s = run.result.latency_s();
  m.launches = static_cast<double>(run.program.launches.size());
  // Rows of results are courses, more than sections where launches of one differ.
  const auto section = std::find_if(run.program.sections.begin(), run.program.sections.end(),
                                    [&](const Section& s) { return s.name == layer.name; });
  for (const Unit& unit : section->units) {
    const bool works =
        unit.kind == UnitKind::kGemm || unit.kind == UnitKind::kSimd || unit.kind == UnitKind::kSend;
    m.operators += works ? 1 : 0;
  }
  m.pcu_share = static_cast<double>(layer.pcus) / static_cast<double>(chip.pcu.count);
  m.pmu_share = static_cast<double>(layer.pmus) / static_cast<double>(chip.pmu.count);
  double bytes = 0;
  for (const int64_t count : layer.bytes[static_cast<size_t>(Wire::kHbm)])
    bytes += static_cast<double>(count);
  const double seconds = static_cast<double>(layer.cycles_per_launch) / chip.clock_hz;
  m.hbm_share = bytes / seconds / chip.hbm.bandwidth_bytes_per_s;
  m.command = run.command;
  return m;
}

// Runs passes, each once.
class Bench {
 public:
  explicit Bench(ValidationContext& context) : context_(context) {}

  Result<Measured> run(const Fact& fact, const Way& way) {
    const std::string key = fmt::format("{} {} {} {} {} {} {}", fact.model, fact.pass.phase, fact.pass.batch,
                                        fact.pass.context, fact.stack, way.fusion, way.orchestration);
    if (const auto known = runs_.find(key); known != runs_.end()) return known->second;
    CompileChoice compile;
    compile.fusion = way.fusion;
    compile.orchestration = way.orchestration;
    NodeChoice node;
    node.stack = fact.stack;
    RDU_ASSIGN(const PassRun run, run_pass(context_, fact.model, fact.pass, compile, node));
    return runs_.emplace(key, measured(run)).first->second;
  }

 private:
  ValidationContext& context_;
  std::map<std::string, Measured> runs_;
};

struct Metric {
  const char* name;
  const char* words;
  Way before;
  Way after;  // whose command the row shows
  double (*value)(const Measured& before, const Measured& after);
};

const Metric kMetrics[] = {
    {"fused_over_unfused", "fused over unfused", kUnfused, kHostLaunched,
     [](const Measured& a, const Measured& b) { return a.latency_s / b.latency_s; }},
    {"hardware_over_software", "hardware over software orchestration", kHostLaunched, kChipLaunched,
     [](const Measured& a, const Measured& b) { return a.latency_s / b.latency_s; }},
    {"kernel_calls_ratio", "kernel calls unfused over fused", kUnfused, kHostLaunched,
     [](const Measured& a, const Measured& b) { return a.launches / b.launches; }},
    {"operators_per_kernel", "operators in the kernel", kChipLaunched, kChipLaunched,
     [](const Measured&, const Measured& b) { return b.operators; }},
    {"hbm_share", "HBM bandwidth", kChipLaunched, kChipLaunched,
     [](const Measured&, const Measured& b) { return 100 * b.hbm_share; }},
    {"pcu_share", "PCUs in use", kChipLaunched, kChipLaunched,
     [](const Measured&, const Measured& b) { return 100 * b.pcu_share; }},
    {"pmu_share", "PMUs in use", kChipLaunched, kChipLaunched,
     [](const Measured&, const Measured& b) { return 100 * b.pmu_share; }},
};

Result<const Metric*> metric_of(const Fact& fact) {
  std::string known;
  for (const Metric& metric : kMetrics) {
    if (fact.metric == metric.name) return &metric;
    known += std::string(known.empty() ? "" : ", ") + metric.name;
  }
  return Error{ErrorCode::kInvalidInput, fact.what, fmt::format("unknown metric '{}'", fact.metric),
               "known: " + known};
}

// --- the file

class FactReader {
 public:
  explicit FactReader(const CsvTable& table) : table_(table) {}

  Result<Fact> read(const CsvRow& row) const {
    Fact fact;
    RDU_ASSIGN(fact.what, text(row, "what"));
    RDU_ASSIGN(fact.metric, text(row, "metric"));
    RDU_ASSIGN(fact.model, text(row, "model"));
    RDU_ASSIGN(fact.pass.phase, text(row, "phase"));
    RDU_ASSIGN(const double batch, number(row, "batch"));
    RDU_ASSIGN(const double context, number(row, "context"));
    fact.pass.batch = static_cast<int64_t>(batch);
    fact.pass.context = static_cast<int64_t>(context);
    RDU_ASSIGN(fact.stack, text(row, "stack"));
    RDU_ASSIGN(const double low, number(row, "low"));
    RDU_ASSIGN(const std::string high, text(row, "high"));
    fact.published = Published::at_least(low);
    if (!high.empty()) {
      RDU_ASSIGN(fact.published.high, number(row, "high"));
    }
    RDU_ASSIGN(fact.unit, text(row, "unit"));
    RDU_ASSIGN(fact.source, text(row, "source"));
    RDU_ASSIGN(fact.not_judged_because, text(row, "not_judged_because"));
    return fact;
  }

 private:
  [[nodiscard]] Result<std::string> text(const CsvRow& row, const char* column) const {
    RDU_ASSIGN(const size_t at, table_.column(column));
    return row.cells[at];
  }
  [[nodiscard]] Result<double> number(const CsvRow& row, const char* column) const {
    RDU_ASSIGN(const std::string cell, text(row, column));
    double value = 0;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (error == std::errc() && end == cell.data() + cell.size()) return value;
    return Error{ErrorCode::kInvalidInput, fmt::format("{}:{}:1", table_.path, row.line),
                 fmt::format("{} is '{}'", column, cell), ""};
  }

  const CsvTable& table_;
};

Result<ValidationRow> row_of(Bench& bench, const Fact& fact) {
  RDU_ASSIGN(const Metric* metric, metric_of(fact));
  RDU_ASSIGN(const Measured before, bench.run(fact, metric->before));
  RDU_ASSIGN(const Measured after, bench.run(fact, metric->after));
  ValidationRow row;
  row.what = fact.what + ", " + metric->words;
  row.id = row_id(row.what);
  row.source = fact.source;
  if (!fact.not_judged_because.empty()) row.source += "; " + fact.not_judged_because;
  row.published = fact.published;
  row.simulated = metric->value(before, after);
  row.unit = fact.unit;
  if (fact.not_judged_because.empty()) row.tolerance_percent = kRoundingPercent;
  row.command = after.command;
  return row;
}

}  // namespace

Result<ValidationRows> fusion_rows(ValidationContext& context) {
  const std::string path = context.session.config.config_dir + "/published/fusion.csv";
  RDU_ASSIGN(const std::string text, read_text_file(path));
  RDU_CHECK_OK(context.session.record_file(path));
  RDU_ASSIGN(const CsvTable table, parse_csv(text, path));
  Bench bench(context);
  const FactReader reader(table);
  ValidationRows rows;
  for (const CsvRow& line : table.rows) {
    RDU_ASSIGN(const Fact fact, reader.read(line));
    RDU_ASSIGN(ValidationRow row, row_of(bench, fact));
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace rdusim::cli
