// The published Composition of Experts: Table V, switch times, capacities (P Sec VI-C, Figs 12 and 13), and
// the chip's headline figures (P Table II).
#include <fmt/format.h>

#include <charconv>
#include <map>

#include "base/io/file.h"
#include "cli/inputs.h"
#include "cli/serving.h"
#include "cli/validation.h"

namespace rdusim::cli {
namespace {

constexpr const char* kComposition = "llama2-7b-x150";
// A DGX cannot hold 150 experts (that is a published result too), so the ratios are taken where all nodes can
// serve and none can keep all experts in HBM.
constexpr int64_t kTable5Experts = 100;

// A session of its own, so that overrides of one run do not reach the next; files read go back to the
// caller's manifest.
Result<Serving> serve_experts(Session& session, int64_t experts, const ServingChoice& choice,
                              Progress& progress) {
  Session inner = session;
  inner.config.overrides.push_back({"composition.experts.llama2-7b.count", fmt::to_string(experts)});
  inner.config.override_used.push_back(false);
  auto serving = serve_composition(inner, kComposition, choice, progress);
  session.config.files = inner.config.files;
  return serving;
}

std::string serve_command(int64_t experts, const ServingChoice& choice) {
  return fmt::format(
      "rdusim serve {} --set composition.experts.llama2-7b.count={} --requests {} --batch {} --output-tokens "
      "{} --compare "
      "dgx-a100,dgx-h100",
      kComposition, experts, choice.requests, choice.batch, choice.output_tokens);
}

ServingChoice table5_choice(int64_t batch, int64_t output_tokens) {
  ServingChoice choice;
  choice.compare = {"dgx-a100", "dgx-h100"};
  choice.requests = "synthetic:together,n=200,popularity=round-robin";
  choice.batch = batch;
  choice.output_tokens = output_tokens;
  return choice;
}

// Seconds of a prompt: overall = all that the node did for it; expert = its prefill and decode; switching =
// the copy of its expert.
double seconds_of(const runtime::NodeResult& node, const std::string& part) {
  const auto n = static_cast<double>(node.finished);
  const runtime::LatencySplit& t = node.node_time;
  if (part == "expert") return (t.prefill_s + t.decode_s) / n;
  if (part == "switching") return t.switching_s / n;
  return (t.routing_s + t.switching_s + t.prefill_s + t.decode_s) / n;
}

Result<const runtime::NodeResult*> served_node(const Serving& serving, const std::string& name) {
  for (const auto& node : serving.nodes) {
    if (node.node != name) continue;
    if (node.status == runtime::NodeStatus::kServed && node.finished > 0) return &node;
    return Error{ErrorCode::kCapacity, name, "did not serve: " + node.reason, ""};
  }
  return Error{ErrorCode::kNotFound, name, "was not among the nodes", ""};
}

Result<double> number(const CsvTable& table, const CsvRow& row, const char* column) {
  RDU_ASSIGN(const size_t at, table.column(column));
  const std::string& text = row.cells[at];
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  return Error{ErrorCode::kInvalidInput, fmt::format("{}:{}:1", table.path, row.line),
               fmt::format("{} is '{}'", column, text), ""};
}

// Experts that the node's store holds before serving fails for lack of memory, found by bisection over runs.
Result<int64_t> experts_that_fit(Session& session, const std::string& node, Progress& progress) {
  ServingChoice choice;
  choice.node = node;
  choice.requests = "synthetic:together,n=1,popularity=round-robin";
  int64_t fits = 1;
  int64_t fails = 2048;
  while (fits + 1 < fails) {
    const int64_t middle = (fits + fails) / 2;
    RDU_ASSIGN(const auto serving, serve_experts(session, middle, choice, progress));
    (serving.nodes[0].status == runtime::NodeStatus::kServed ? fits : fails) = middle;
  }
  return fits;
}

Result<double> mean_latency(Session& session, int64_t experts, const std::string& node, Progress& progress) {
  ServingChoice choice;
  choice.node = node;
  choice.requests = fmt::format("synthetic:together,n={},popularity=round-robin", experts * 4);
  RDU_ASSIGN(const auto serving, serve_experts(session, experts, choice, progress));
  RDU_ASSIGN(const auto* result, served_node(serving, node));
  return seconds_of(*result, "overall");
}

}  // namespace

Result<std::vector<ValidationRow>> table5_rows(Session& session, Progress& progress) {
  const std::string path = session.config.config_dir + "/published/coe_table5.csv";
  RDU_ASSIGN(const std::string text, read_text_file(path));
  RDU_CHECK_OK(session.record_file(path));
  RDU_ASSIGN(const CsvTable table, parse_csv(text, path));
  RDU_ASSIGN(const size_t part, table.column("part"));
  RDU_ASSIGN(const size_t versus, table.column("versus"));
  std::map<std::pair<int64_t, int64_t>, Serving> runs;
  std::vector<ValidationRow> rows;
  for (const CsvRow& row : table.rows) {
    RDU_ASSIGN(const double batch, number(table, row, "batch"));
    RDU_ASSIGN(const double output_tokens, number(table, row, "output_tokens"));
    RDU_ASSIGN(const double published, number(table, row, "speedup"));
    const std::pair key{static_cast<int64_t>(batch), static_cast<int64_t>(output_tokens)};
    const ServingChoice choice = table5_choice(key.first, key.second);
    if (!runs.contains(key)) {
      RDU_ASSIGN(auto serving, serve_experts(session, kTable5Experts, choice, progress));
      runs.emplace(key, std::move(serving));
    }
    RDU_ASSIGN(const auto* ours, served_node(runs.at(key), choice.node));
    RDU_ASSIGN(const auto* theirs, served_node(runs.at(key), row.cells[versus]));
    const double ratio = seconds_of(*theirs, row.cells[part]) / seconds_of(*ours, row.cells[part]);
    rows.push_back(
        {fmt::format("{} BS={} {} tokens vs {}", row.cells[part], key.first, key.second, row.cells[versus]),
         "coe-table-5", "P Table V", published, ratio, "x", row.cells[part] == "switching" ? 10.0 : 30.0,
         serve_command(kTable5Experts, choice)});
  }
  return rows;
}

Result<std::vector<ValidationRow>> capacity_rows(Session& session, Progress& progress) {
  std::vector<ValidationRow> rows;
  const ServingChoice choice = table5_choice(1, 20);
  RDU_ASSIGN(const auto serving, serve_experts(session, kTable5Experts, choice, progress));
  const std::pair<const char*, double> switches[] = {{"sn40l-8", 13.5}, {"dgx-a100", 421}, {"dgx-h100", 211}};
  for (const auto& [name, published_ms] : switches) {
    RDU_ASSIGN(const auto* node, served_node(serving, name));
    rows.push_back({fmt::format("switch of a Llama-2-7B expert, {}", name), "capacity",
                    "derived from P Table V", published_ms, seconds_of(*node, "switching") * 1e3, "ms", 5,
                    serve_command(kTable5Experts, choice)});
  }
  for (const char* name : {"dgx-a100", "dgx-h100"}) {
    RDU_ASSIGN(const int64_t fit, experts_that_fit(session, name, progress));
    rows.push_back({fmt::format("first number of experts that {} cannot hold", name), "capacity",
                    "P Sec VI-C: out of memory at 150", 150, static_cast<double>(fit + 1), "experts", 2,
                    "rdusim validate --group capacity"});
    RDU_ASSIGN(const double before, mean_latency(session, 44, name, progress));
    RDU_ASSIGN(const double after, mean_latency(session, 51, name, progress));
    rows.push_back({fmt::format("latency at 51 over 44 experts, {}", name), "capacity",
                    "P Fig 12: jump near 50; value not published", 1, after / before, "x", 0,
                    "rdusim validate --group capacity"});
  }
  RDU_ASSIGN(const int64_t fit, experts_that_fit(session, "sn40l-8", progress));
  rows.push_back({"850 experts fit one sn40l-8 (share of what fits)", "capacity", "P Fig 13", 1,
                  fit >= 850 ? 1.0 : static_cast<double>(fit) / 850, "-", 0.1,
                  "rdusim validate --group capacity"});
  return rows;
}

Result<std::vector<ValidationRow>> chip_rows(Session& session) {
  RDU_ASSIGN(const auto chosen, load_node_and_stack(session, {"sn40l-8", ""}));
  const ChipSpec& chip = chosen.node.chip;
  const std::string command = "rdusim validate --group chip";
  const double sockets = static_cast<double>(chosen.node.sockets);
  return std::vector<ValidationRow>{
      {"peak BF16 of a socket", "chip", "P Table II", 638e12, chip.peak_flops(), "FLOP/s", 0.5, command},
      {"SRAM of a socket", "chip", "P Sec I", 520.0 * (1 << 20),
       static_cast<double>(chip.pmu.count * chip.pmu.capacity_bytes), "B", 0.01, command},
      {"DDR to HBM, 8 sockets", "chip", "P Sec VI-C (over 1 TB/s)", 1e12,
       chip.dma_bandwidth_bytes_per_s * sockets, "B/s", 5, command},
  };
}

}  // namespace rdusim::cli
