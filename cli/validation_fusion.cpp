// Published facts of fusion, orchestration and kernel looping (configs/published/fusion.csv) beside ours.
//
// Unfused is one section an operator, launched by the host, as published ("software orchestration"); fused is
// the default of `rdusim compile`, launched by the host or by the chip. Every figure comes from whole passes
// at event fidelity. The early software stack is the one of the fusion results, the late one that of kernel
// looping. Batch sizes are not published; the file says which were taken and why.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <limits>
#include <map>

#include "base/io/file.h"
#include "cli/inputs.h"
#include "cli/validation.h"

namespace rdusim::cli {
namespace {

// Published with two digits: an end of a range is met within half of the last.
constexpr double kRounding = 2;

// One fact of the file.
struct Fact {
  std::string what;
  std::string metric;
  std::string model;
  PassChoice pass;
  double low = 0;
  double high = 0;
  std::string unit;
  std::string source;
  std::string not_judged_because;
};

struct Measured {
  RunResult result;
  int64_t launches = 0;
  int64_t layer_operators = 0;  // compute stages and exchanges of the section that is launched most
};

// How a pass is run.
struct Way {
  const char* fusion;
  const char* orchestration;
  bool loop;
  const char* stack;
};
constexpr const char* kFused = "layer";  // the default of rdusim compile
constexpr Way kUnfused{"none", "software", false, "2024-early"};
constexpr Way kHostLaunched{kFused, "software", false, "2024-early"};
constexpr Way kChipLaunched{kFused, "hardware", false, "2024-early"};
constexpr Way kLate{kFused, "hardware", false, "2024-late"};
constexpr Way kLooped{kFused, "hardware", true, "2024-late"};

std::string command_of(const Fact& fact, const Way& way) {
  return fmt::format(
      "rdusim simulate {} --phase {} --batch {} --context {} --fusion {} --orchestration {}{} --stack {}",
      fact.model, fact.pass.phase, fact.pass.batch, fact.pass.context, way.fusion, way.orchestration,
      way.loop ? " --loop" : "", way.stack);
}

int64_t operators_of(const Section& section) {
  int64_t count = 0;
  for (const Unit& unit : section.units)
    count += unit.kind == UnitKind::kGemm || unit.kind == UnitKind::kSimd || unit.kind == UnitKind::kSend;
  return count;
}

// Runs passes, each once.
class Bench {
 public:
  Bench(Session& session, Progress& progress) : session_(session), progress_(progress) {}

  Result<const Measured*> run(const Fact& fact, const Way& way) {
    const std::string command = command_of(fact, way);
    if (const auto known = runs_.find(command); known != runs_.end()) return &known->second;
    progress_.note(command);
    RDU_ASSIGN(const auto chosen, load_node_and_stack(session_, {"sn40l-8", way.stack}));
    chip_ = chosen.node.chip;
    sockets_ = chosen.node.sockets;
    RDU_ASSIGN(const auto model, load_chosen_model(session_, fact.model));
    RDU_ASSIGN(const auto request, graph_request(fact.pass));
    RDU_ASSIGN(const auto graph, model->build(request));
    const CompileChoice choice{way.fusion, way.orchestration, way.loop};
    RDU_ASSIGN(const Program program,
               compiler::compile(graph, chip_, compile_options(choice, sockets_, chosen.stack)));
    sim::RunOptions options;
    options.fidelity = Fidelity::kEvent;
    Measured measured;
    RDU_ASSIGN(measured.result, sim::run(program, chosen.node, chosen.stack, options));
    measured.launches = static_cast<int64_t>(program.launches.size());
    measured.layer_operators = operators_of(program.sections[layer_of(measured.result)]);
    return &runs_.emplace(command, std::move(measured)).first->second;
  }

  // The section of the repeated block: most of the time is spent there.
  static size_t layer_of(const RunResult& result) {
    const auto longest = std::max_element(
        result.sections.begin(), result.sections.end(),
        [](const SectionResult& a, const SectionResult& b) { return a.cycles() < b.cycles(); });
    return static_cast<size_t>(longest - result.sections.begin());
  }
  static const SectionResult& layer(const Measured& measured) {
    return measured.result.sections[layer_of(measured.result)];
  }
  [[nodiscard]] const ChipSpec& chip() const { return chip_; }
  [[nodiscard]] int64_t sockets() const { return sockets_; }

 private:
  Session& session_;
  Progress& progress_;
  ChipSpec chip_;
  int64_t sockets_ = 1;
  std::map<std::string, Measured> runs_;
};

int64_t hbm_bytes(const ByteCounts& bytes) {
  int64_t sum = 0;
  for (const int64_t count : bytes[static_cast<size_t>(Wire::kHbm)]) sum += count;
  return sum;
}

// How many times as fast `fast` is as `slow`.
Result<double> speed_up(Bench& bench, const Fact& fact, const Way& slow, const Way& fast) {
  RDU_ASSIGN(const Measured* before, bench.run(fact, slow));
  RDU_ASSIGN(const Measured* after, bench.run(fact, fast));
  return before->result.latency_s() / after->result.latency_s();
}

Result<double> kernel_calls_ratio(Bench& bench, const Fact& fact) {
  RDU_ASSIGN(const Measured* unfused, bench.run(fact, kUnfused));
  RDU_ASSIGN(const Measured* fused, bench.run(fact, kHostLaunched));
  return static_cast<double>(unfused->launches) / static_cast<double>(fused->launches);
}

// Of the chip's units, or of its peak bandwidth while the section runs, in percent.
Result<double> layer_share(Bench& bench, const Fact& fact,
                           const std::function<double(const SectionResult&, const ChipSpec&)>& share) {
  RDU_ASSIGN(const Measured* fused, bench.run(fact, kLate));
  return 100 * share(Bench::layer(*fused), bench.chip());
}

double pcu_share(const SectionResult& layer, const ChipSpec& chip) {
  return static_cast<double>(layer.pcus) / static_cast<double>(chip.pcu.count);
}
double pmu_share(const SectionResult& layer, const ChipSpec& chip) {
  return static_cast<double>(layer.pmus) / static_cast<double>(chip.pmu.count);
}
double hbm_share(const SectionResult& layer, const ChipSpec& chip) {
  const double seconds = static_cast<double>(layer.cycles_per_launch) / chip.clock_hz;
  return static_cast<double>(hbm_bytes(layer.bytes)) / seconds / chip.hbm.bandwidth_bytes_per_s;
}

// The roofline of decode: all bytes of a step at the peak rate of all sockets' HBM.
Result<double> looping_of_roofline(Bench& bench, const Fact& fact) {
  RDU_ASSIGN(const Measured* looped, bench.run(fact, kLooped));
  const double roofline_s = static_cast<double>(hbm_bytes(looped->result.bytes)) /
                            (bench.chip().hbm.bandwidth_bytes_per_s * static_cast<double>(bench.sockets()));
  return 100 * roofline_s / looped->result.latency_s();
}

struct Metric {
  const char* name;
  const char* words;
  Way way;  // whose command the row shows
  Result<double> (*measure)(Bench&, const Fact&);
};

const Metric kMetrics[] = {
    {"fused_over_unfused", "fused over unfused", kHostLaunched,
     [](Bench& b, const Fact& f) { return speed_up(b, f, kUnfused, kHostLaunched); }},
    {"hardware_over_software", "hardware over software orchestration", kChipLaunched,
     [](Bench& b, const Fact& f) { return speed_up(b, f, kHostLaunched, kChipLaunched); }},
    {"kernel_calls_ratio", "kernel calls unfused over fused", kUnfused, kernel_calls_ratio},
    {"operators_per_kernel", "operators in the kernel", kLate,
     [](Bench& b, const Fact& f) -> Result<double> {
       RDU_ASSIGN(const Measured* fused, b.run(f, kLate));
       return static_cast<double>(fused->layer_operators);
     }},
    {"hbm_share", "HBM bandwidth", kLate,
     [](Bench& b, const Fact& f) { return layer_share(b, f, hbm_share); }},
    {"pcu_share", "PCUs in use", kLate, [](Bench& b, const Fact& f) { return layer_share(b, f, pcu_share); }},
    {"pmu_share", "PMUs in use", kLate, [](Bench& b, const Fact& f) { return layer_share(b, f, pmu_share); }},
    {"looping_speedup", "kernel looping over a launch a layer", kLooped,
     [](Bench& b, const Fact& f) { return speed_up(b, f, kLate, kLooped); }},
    {"looping_of_roofline", "kernel looping, rate", kLooped, looping_of_roofline},
};

// --- the file

class FactReader {
 public:
  explicit FactReader(const CsvTable& table) : table_(table) {}

  Result<Fact> read(const CsvRow& row) {
    Fact fact;
    RDU_ASSIGN(fact.what, text(row, "what"));
    RDU_ASSIGN(fact.metric, text(row, "metric"));
    RDU_ASSIGN(fact.model, text(row, "model"));
    RDU_ASSIGN(fact.pass.phase, text(row, "phase"));
    RDU_ASSIGN(const double batch, number(row, "batch"));
    RDU_ASSIGN(const double context, number(row, "context"));
    fact.pass.batch = static_cast<int64_t>(batch);
    fact.pass.context = static_cast<int64_t>(context);
    RDU_ASSIGN(fact.low, number(row, "low"));
    RDU_ASSIGN(const std::string high, text(row, "high"));
    fact.high = std::numeric_limits<double>::infinity();
    if (!high.empty()) {
      RDU_ASSIGN(fact.high, number(row, "high"));
    }
    RDU_ASSIGN(fact.unit, text(row, "unit"));
    RDU_ASSIGN(fact.source, text(row, "source"));
    RDU_ASSIGN(fact.not_judged_because, text(row, "not_judged_because"));
    return fact;
  }

 private:
  Result<std::string> text(const CsvRow& row, const char* column) const {
    RDU_ASSIGN(const size_t at, table_.column(column));
    return row.cells[at];
  }
  Result<double> number(const CsvRow& row, const char* column) const {
    RDU_ASSIGN(const std::string cell, text(row, column));
    double value = 0;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (error == std::errc() && end == cell.data() + cell.size()) return value;
    return Error{ErrorCode::kInvalidInput, fmt::format("{}:{}:1", table_.path, row.line),
                 fmt::format("{} is '{}'", column, cell), ""};
  }

  const CsvTable& table_;
};

Result<ValidationRow> row_of(Bench& bench, const Fact& fact, const CsvTable& table, const CsvRow& line) {
  for (const Metric& metric : kMetrics) {
    if (fact.metric != metric.name) continue;
    ValidationRow row;
    row.id = fact.what + ", " + metric.words;
    row.group = "fusion";
    row.source = fact.source;
    row.published = fact.low;
    row.published_high = fact.high;
    RDU_ASSIGN(row.simulated, metric.measure(bench, fact));
    row.unit = fact.unit;
    row.not_judged_because = fact.not_judged_because;
    if (row.not_judged_because.empty()) row.tolerance_percent = kRounding;
    row.command = command_of(fact, metric.way);
    return row;
  }
  return Error{ErrorCode::kInvalidInput, fmt::format("{}:{}:1", table.path, line.line),
               fmt::format("unknown metric '{}'", fact.metric), "known: see cli/validation_fusion.cpp"};
}

}  // namespace

Result<std::vector<ValidationRow>> fusion_rows(Session& session, Progress& progress) {
  const std::string path = session.config.config_dir + "/published/fusion.csv";
  RDU_ASSIGN(const std::string text, read_text_file(path));
  RDU_CHECK_OK(session.record_file(path));
  RDU_ASSIGN(const CsvTable table, parse_csv(text, path));
  Bench bench(session, progress);
  FactReader reader(table);
  std::vector<ValidationRow> rows;
  for (const CsvRow& line : table.rows) {
    RDU_ASSIGN(const Fact fact, reader.read(line));
    RDU_ASSIGN(ValidationRow row, row_of(bench, fact, table, line));
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace rdusim::cli
