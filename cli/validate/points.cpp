// Single-model serving against LLM-Inference-Bench.
//
// assumed: every measured request activates its model, that is, copies it from DDR to HBM. Why: extrapolated
// to no tokens, the published batch-1 latencies leave 16 ms for Llama-3-8B and 134 to 141 ms for
// Llama-3-70B, 1.0 ms a gigabyte of weights, which is the published DDR to HBM rate of 1 TB/s (P Sec VI-C); a
// constant time per request cannot give both.
#include "cli/validate/points.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <map>
#include <memory>

#include "base/arch/serving_build.h"
#include "base/io/file.h"
#include "cli/chip_execution.h"
#include "cli/inputs.h"
#include "cli/validate/hub_names.h"
#include "runtime/memo_execution.h"
#include "runtime/serving/memory_plan.h"

namespace rdusim::cli {
namespace {

constexpr int64_t kDefaultSockets = 8;   // the node of the published points
constexpr int64_t kLargestSockets = 16;  // of the nodes in configs/nodes/
constexpr int64_t kLargestTokens = int64_t{1} << 20;
constexpr int64_t kLargestBatch = int64_t{1} << 12;

// Cells of a row by column; columns that are not there are empty.
class Columns {
 public:
  static Result<Columns> of(const CsvTable& table) {
    Columns columns(table);
    for (const char* name : {"model", "input_and_output_tokens", "batch"}) {
      RDU_ASSIGN(columns.at_[name], table.column(name));
    }
    for (const char* name : {"sockets", "latency_s", "total_tokens_per_s"}) {
      if (const auto column = table.column(name); column.ok()) columns.at_[name] = *column;
    }
    if (!columns.at_.contains("latency_s") && !columns.at_.contains("total_tokens_per_s"))
      RDU_CHECK_OK(table.column("latency_s"));
    return columns;
  }

  [[nodiscard]] std::string text(const CsvRow& row, const std::string& name) const {
    const auto at = at_.find(name);
    return at == at_.end() ? "" : row.cells[at->second];
  }
  [[nodiscard]] Result<int64_t> count(const CsvRow& row, const std::string& name, int64_t most) const {
    const std::string cell = text(row, name);
    int64_t value = 0;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (error == std::errc() && end == cell.data() + cell.size() && value > 0 && value <= most) return value;
    return wrong(row, fmt::format("{} is '{}'; a whole number from 1 to {} is wanted", name, cell, most));
  }
  [[nodiscard]] Result<double> positive(const CsvRow& row, const std::string& name) const {
    const std::string cell = text(row, name);
    double value = 0;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (error == std::errc() && end == cell.data() + cell.size() && value > 0 && std::isfinite(value))
      return value;
    return wrong(row, fmt::format("{} is '{}'; a number above 0 is wanted", name, cell));
  }

 private:
  explicit Columns(const CsvTable& table) : table_(table) {}
  [[nodiscard]] Error wrong(const CsvRow& row, std::string what) const {
    return Error{ErrorCode::kInvalidInput, fmt::format("{}:{}:1", table_.path, row.line), std::move(what),
                 ""};
  }

  const CsvTable& table_;
  std::map<std::string, size_t> at_;
};

Status read_point(const Columns& columns, const CsvRow& row, PointResult& point) {
  point.line = row.line;
  point.model = columns.text(row, "model");
  point.sockets = kDefaultSockets;
  if (!columns.text(row, "sockets").empty()) {
    RDU_ASSIGN(point.sockets, columns.count(row, "sockets", kLargestSockets));
  }
  RDU_ASSIGN(point.tokens, columns.count(row, "input_and_output_tokens", kLargestTokens));
  RDU_ASSIGN(point.batch, columns.count(row, "batch", kLargestBatch));
  if (!columns.text(row, "latency_s").empty() || columns.text(row, "total_tokens_per_s").empty()) {
    RDU_ASSIGN(point.published_s, columns.positive(row, "latency_s"));
    return {};
  }
  RDU_ASSIGN(const double rate, columns.positive(row, "total_tokens_per_s"));
  point.published_s = static_cast<double>(point.batch * point.tokens * 2) / rate;
  return {};
}

// Steps in sequence buckets repeat few programs; others are priced at powers of two, with lines between.
Result<runtime::PassCost> decode_cost(ChipExecution& execution, const std::string& model,
                                      const PointResult& point) {
  if (execution.sequence_bucket().tokens > 0)
    return execution.decode(model, point.batch, point.tokens, point.tokens);
  runtime::MemoisedExecution memo(execution, {model}, {});
  return memo.decode(0, point.batch, point.tokens, point.tokens);
}

// Copy, prefill of `tokens`, then `tokens` decode steps, all `batch` sequences at once.
Result<double> request_seconds(ChipExecution& execution, const std::string& model, const PointResult& point) {
  RDU_ASSIGN(const Bytes segments, runtime::segment_bytes(execution, model));
  RDU_ASSIGN(const auto prefill, execution.prefill(model, point.batch, point.tokens));
  RDU_ASSIGN(const auto decode, decode_cost(execution, model, point));
  const auto memory = execution.memory();
  const Picoseconds copy = memory.switch_setup + transfer_time(segments, memory.switch_bandwidth);
  return seconds(copy + execution.request_overhead() + prefill.time + decode.time);
}

// Nodes of any number of sockets: the smallest of configs/nodes/ that has as many, with the others left idle.
class Nodes {
 public:
  explicit Nodes(ValidationContext& context)
      : context_(context),
        library_([&context](const std::string& name) { return load_chosen_model(context.session, name); }) {}

  Result<ChipExecution*> of(int64_t sockets) {
    auto& execution = nodes_[sockets];
    if (execution) return execution.get();
    const char* name = sockets <= kDefaultSockets ? "sn40l-8" : "sn40l-16";
    RDU_ASSIGN(auto chosen, load_node_and_stack(context_.session, {name, context_.stack}));
    RDU_ASSIGN(const SequenceBucket bucket,
               load_sequence_bucket(context_.session.config, name, context_.stack));
    chosen.node.sockets = sockets;
    execution = std::make_unique<ChipExecution>(
        std::move(chosen.node), std::move(chosen.stack), Fidelity::kEvent, library_,
        [this](const std::string& what) { context_.progress.note("simulating " + what); });
    execution->set_sequence_bucket(
        bucket, [this](const std::string& model) { return load_context_tokens(context_.session, model); });
    return execution.get();
  }

 private:
  ValidationContext& context_;
  ModelLibrary library_;
  std::map<int64_t, std::unique_ptr<ChipExecution>> nodes_;
};

void add_note(PointResult& point, const std::string& note) {
  point.note += (point.note.empty() ? "" : "; ") + note;
}

Status simulate(Nodes& nodes, const HubNames& names, PointResult& point) {
  RDU_ASSIGN(const HubModel model, names.find(point.model));
  std::optional<Error> first;
  for (int64_t sockets = point.sockets; sockets > 0; sockets /= 2) {
    RDU_ASSIGN(ChipExecution* const execution, nodes.of(sockets));
    auto time = request_seconds(*execution, model.config, point);
    if (time.ok()) {
      point.simulated_s = *time;
      if (!model.differs.empty()) add_note(point, model.config + " has the shape but: " + model.differs);
      if (sockets != point.sockets)
        add_note(point, fmt::format("on {} of {} sockets: {}", sockets, point.sockets, first->what));
      return {};
    }
    if (!first) first = time.take_error();
  }
  return *first;
}

}  // namespace

Result<std::vector<PointResult>> single_model_points(ValidationContext& context,
                                                     const std::string& csv_path) {
  RDU_ASSIGN(const std::string text, read_text_file(csv_path));
  RDU_CHECK_OK(context.session.record_file(csv_path));
  RDU_ASSIGN(const CsvTable table, parse_csv(text, csv_path));
  RDU_ASSIGN(const Columns columns, Columns::of(table));
  RDU_ASSIGN(const HubNames names, HubNames::load(context.session));
  Nodes nodes(context);
  RDU_CHECK_OK(nodes.of(kDefaultSockets));  // a mistake in the configuration is no point's
  std::vector<PointResult> points;
  for (const CsvRow& row : table.rows) {
    PointResult point;
    Status status = read_point(columns, row, point);
    point.unreadable = !status.ok();
    if (status.ok()) status = simulate(nodes, names, point);
    if (!status.ok()) point.failure = status.error().to_string();
    points.push_back(std::move(point));
  }
  return points;
}

double geometric_mean_error_percent(const std::vector<PointResult>& points) {
  double sum = 0;
  int64_t count = 0;
  for (const PointResult& point : points) {
    if (!point.failure.empty()) continue;
    sum += std::abs(std::log(point.simulated_s / point.published_s));
    ++count;
  }
  return count > 0 ? (std::exp(sum / static_cast<double>(count)) - 1) * 100 : 0;
}

}  // namespace rdusim::cli
