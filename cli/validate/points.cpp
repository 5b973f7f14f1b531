// Single-model serving against LLM-Inference-Bench.
//
// assumed: every measured request activates its model, that is, copies it from DDR to HBM. Why: extrapolated
// to no tokens, the published batch-1 latencies leave 16 ms for Llama-3-8B and 134 to 141 ms for
// Llama-3-70B, 1.0 ms a gigabyte of weights, which is the published DDR to HBM rate of 1 TB/s (P Sec VI-C); a
// constant time per request cannot give both.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <map>
#include <memory>

#include "base/io/file.h"
#include "cli/chip_execution.h"
#include "cli/inputs.h"
#include "cli/validate/points.h"
#include "runtime/memo_execution.h"

namespace rdusim::cli {
namespace {

struct Row {
  int64_t line = 0;
  std::string model;
  int64_t sockets = 0;
  int64_t tokens = 0;
  int64_t batch = 0;
  double latency_s = 0;
};

Result<int64_t> positive_integer(const CsvTable& table, const CsvRow& row, size_t column) {
  const std::string& text = row.cells[column];
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value > 0) return value;
  return Error{ErrorCode::kInvalidInput, fmt::format("{}:{}:1", table.path, row.line),
               fmt::format("{} is '{}'; a whole number above 0 is wanted", table.header[column], text), ""};
}

Result<double> positive_real(const CsvTable& table, const CsvRow& row, size_t column) {
  const std::string& text = row.cells[column];
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value > 0 && std::isfinite(value))
    return value;
  return Error{ErrorCode::kInvalidInput, fmt::format("{}:{}:1", table.path, row.line),
               fmt::format("{} is '{}'; a number above 0 is wanted", table.header[column], text), ""};
}

Result<std::vector<Row>> read_rows(const std::string& path) {
  RDU_ASSIGN(const std::string text, read_text_file(path));
  RDU_ASSIGN(const CsvTable table, parse_csv(text, path));
  RDU_ASSIGN(const size_t model, table.column("model"));
  RDU_ASSIGN(const size_t sockets, table.column("sockets"));
  RDU_ASSIGN(const size_t tokens, table.column("input_and_output_tokens"));
  RDU_ASSIGN(const size_t batch, table.column("batch"));
  RDU_ASSIGN(const size_t latency, table.column("latency_s"));
  std::vector<Row> rows;
  for (const CsvRow& cells : table.rows) {
    Row row;
    row.line = cells.line;
    row.model = cells.cells[model];
    RDU_ASSIGN(row.sockets, positive_integer(table, cells, sockets));
    RDU_ASSIGN(row.tokens, positive_integer(table, cells, tokens));
    RDU_ASSIGN(row.batch, positive_integer(table, cells, batch));
    RDU_ASSIGN(row.latency_s, positive_real(table, cells, latency));
    rows.push_back(std::move(row));
  }
  return rows;
}

// "meta-llama/Meta-Llama-3-8B" -> "llama-3-8b", if configs/models/ has it: the hub's owner, vendor prefix and
// format suffixes fall away.
std::string config_name(const std::string& hub_name, const std::vector<std::string>& known) {
  std::string name = hub_name.substr(hub_name.find_last_of('/') + 1);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (name.starts_with("meta-")) name = name.substr(5);
  for (const char* suffix : {"", "-hf", "-v0.1", "-v0.3", "-instruct", "-chat"}) {
    const std::string end = suffix;
    if (!name.ends_with(end)) continue;
    const std::string shorter = name.substr(0, name.size() - end.size());
    if (std::find(known.begin(), known.end(), shorter) != known.end()) return shorter;
  }
  return name;
}

// Copy, prefill of `tokens`, then `tokens` decode steps, all `batch` sequences at once.
Result<double> request_seconds(ChipExecution& execution, const std::string& model, const Row& row) {
  RDU_ASSIGN(const Bytes weights, execution.weight_bytes(model));
  runtime::MemoisedExecution memo(execution, {model}, {});
  RDU_ASSIGN(const auto prefill, memo.prefill(0, row.batch, row.tokens));
  RDU_ASSIGN(const auto decode, memo.decode(0, row.batch, row.tokens, row.tokens));
  const auto memory = execution.memory();
  const Picoseconds copy = memory.switch_setup + transfer_time(weights, memory.switch_bandwidth);
  return seconds(copy + execution.request_overhead() + prefill.time + decode.time);
}

}  // namespace

Result<std::vector<PointResult>> single_model_points(ValidationContext& context,
                                                     const std::string& csv_path) {
  Session& session = context.session;
  Progress& progress = context.progress;
  const std::string& stack = context.stack;
  RDU_ASSIGN(const auto rows, read_rows(csv_path));
  RDU_CHECK_OK(session.record_file(csv_path));
  RDU_ASSIGN(const auto known, list_models(session.config.config_dir));
  ModelLibrary library([&session](const std::string& name) { return load_chosen_model(session, name); });
  std::map<int64_t, std::unique_ptr<ChipExecution>> nodes;
  std::vector<PointResult> points;
  for (const Row& row : rows) {
    auto& execution = nodes[row.sockets];
    if (!execution) {
      RDU_ASSIGN(auto chosen, load_node_and_stack(session, {fmt::format("sn40l-{}", row.sockets), stack}));
      execution = std::make_unique<ChipExecution>(
          std::move(chosen.node), std::move(chosen.stack), Fidelity::kEvent, library,
          [&progress](const std::string& what) { progress.note("simulating " + what); });
    }
    PointResult point{row.model, row.tokens, row.batch, row.latency_s, 0, {}};
    const auto simulated = request_seconds(*execution, config_name(row.model, known), row);
    if (simulated.ok()) {
      point.simulated_s = *simulated;
    } else {
      point.failure = simulated.error().what;
    }
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
