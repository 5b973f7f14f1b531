// rdusim cache replay|reference: miss counts of eviction policies over access traces, and beside the
// reference's.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "base/io/file.h"
#include "cli/commands/commands.h"
#include "report/format.h"
#include "report/table.h"
#include "runtime/eviction/reference.h"
#include "runtime/eviction/replay.h"

namespace rdusim::cli {
namespace {

using report::Json;

struct ReplayOptions {
  std::string trace;
  std::vector<std::string> policies;
  std::vector<int64_t> capacities;
};

struct ReferenceOptions {
  std::string folder;
};

Json replay_json(const runtime::ReplayResult& r) {
  return {{"policy", r.policy},
          {"capacity_bytes", r.capacity.value},
          {"requests", r.requests},
          {"hits", r.hits},
          {"misses", r.misses},
          {"bytes_requested", r.bytes_requested.value},
          {"bytes_missed", r.bytes_missed.value},
          {"evictions", r.evictions}};
}

std::vector<std::string> chosen_policies(const ReplayOptions& options) {
  if (std::find(options.policies.begin(), options.policies.end(), "all") == options.policies.end())
    return options.policies;
  std::vector<std::string> names;
  for (const auto& choice : runtime::eviction_policies()) names.push_back(choice.name);
  return names;
}

// A row a policy, a column a capacity.
std::string ratio_table(const std::vector<runtime::ReplayResult>& results, const ReplayOptions& options,
                        bool of_bytes) {
  report::Table table{{of_bytes ? "byte miss ratio" : "miss ratio"}, {}};
  for (const int64_t capacity : options.capacities)
    table.header.push_back(report::format_bytes(static_cast<double>(capacity)));
  for (size_t i = 0; i < results.size(); i += options.capacities.size()) {
    std::vector<std::string> cells{results[i].policy};
    for (size_t c = 0; c < options.capacities.size(); ++c) {
      const auto& r = results[i + c];
      cells.push_back(fmt::format("{:.4f}", of_bytes ? r.byte_miss_ratio() : r.miss_ratio()));
    }
    table.add(std::move(cells));
  }
  return report::table_text(table);
}

Result<int> run_replay(Session& session, const ReplayOptions& options) {
  RDU_ASSIGN(const auto trace, runtime::read_access_trace(options.trace));
  RDU_CHECK_OK(session.record_file(options.trace));
  std::vector<runtime::ReplayResult> results;
  for (const std::string& policy : chosen_policies(options)) {
    for (const int64_t capacity : options.capacities) {
      RDU_ASSIGN(auto result, runtime::replay(trace, policy, Bytes(capacity)));
      results.push_back(std::move(result));
    }
  }
  session.print(fmt::format("{}: {} requests for {} objects of {} in all\n\n", options.trace,
                            trace.accesses.size(), trace.bytes.size(),
                            report::format_bytes(static_cast<double>(results[0].bytes_requested.value))));
  report::Table table{{"policy", "capacity", "requests", "hits", "misses", "miss ratio", "byte miss ratio"},
                      {}};
  for (const auto& r : results) {
    table.add({r.policy, report::format_bytes(static_cast<double>(r.capacity.value)),
               fmt::to_string(r.requests), fmt::to_string(r.hits), fmt::to_string(r.misses),
               fmt::format("{:.4f}", r.miss_ratio()), fmt::format("{:.4f}", r.byte_miss_ratio())});
  }
  if (options.capacities.size() == 1) {
    session.print(report::table_text(table));
  } else {
    session.print(ratio_table(results, options, false));
    if (!trace.equal_sizes()) session.print("\n" + ratio_table(results, options, true));
  }
  Json json = results.size() == 1 ? replay_json(results[0]) : Json::object();
  if (results.size() > 1) {
    json["replays"] = Json::array();
    for (const auto& r : results) json["replays"].push_back(replay_json(r));
  }
  RDU_CHECK_OK(session.write_json(json));
  return kExitOk;
}

std::string difference(const runtime::ReferenceComparison& c) {
  if (c.ours == c.reference) return "equal";
  return fmt::format("{:+.2f} %", 100 * (static_cast<double>(c.ours) / static_cast<double>(c.reference) - 1));
}

Result<int> run_reference(Session& session, const ReferenceOptions& options) {
  RDU_ASSIGN(const auto rows, runtime::compare_with_reference(options.folder));
  RDU_CHECK_OK(session.record_file(options.folder + "/results.csv"));
  report::Table table{{"trace", "policy", "capacity", "reference", "ours", "difference"}, {}};
  Json json;
  json["rows"] = Json::array();
  std::map<std::string, std::array<int64_t, 3>> by_policy;  // rows, equal, failed
  bool all_hold = true;
  for (const auto& row : rows) {
    table.add({row.trace, row.policy, report::format_bytes(static_cast<double>(row.capacity.value)),
               fmt::to_string(row.reference), fmt::to_string(row.ours), difference(row)});
    json["rows"].push_back({{"trace", row.trace},
                            {"policy", row.policy},
                            {"capacity_bytes", row.capacity.value},
                            {"reference_misses", row.reference},
                            {"misses", row.ours},
                            {"must_be_equal", row.must_be_equal},
                            {"holds", row.holds()}});
    auto& [count, equal, failed] = by_policy[row.policy];
    ++count;
    equal += row.ours == row.reference ? 1 : 0;
    failed += row.holds() ? 0 : 1;
    all_hold = all_hold && row.holds();
  }
  session.print(report::table_text(table) + "\n");
  report::Table summary{{"policy", "rows", "equal", "beyond what is claimed"}, {}};
  for (const auto& [policy, counts] : by_policy) {
    summary.add({policy, fmt::to_string(counts[0]), fmt::to_string(counts[1]), fmt::to_string(counts[2])});
  }
  session.print(report::table_text(summary));
  json["all_hold"] = all_hold;
  RDU_CHECK_OK(session.write_json(json));
  return all_hold ? kExitOk : kExitFellShort;
}

}  // namespace

void add_cache(CLI::App& app, Session& session) {
  auto* cache = app.add_subcommand("cache", "eviction policies over access traces: counts, without time");
  cache->require_subcommand(1);

  auto replay_options = std::make_shared<ReplayOptions>();
  auto* replay = cache->add_subcommand("replay", "misses of a trace under a policy and a capacity");
  replay->add_option("--trace", replay_options->trace, "CSV with object_id,size_bytes; *.gz too")
      ->required()
      ->check(CLI::ExistingFile)
      ->type_name("FILE");
  std::vector<std::string> names;
  for (const auto& choice : runtime::eviction_policies()) names.push_back(choice.name);
  replay
      ->add_option("--policy", replay_options->policies,
                   fmt::format("one or several of {}; or all", fmt::join(names, ", ")))
      ->required()
      ->delimiter(',')
      ->type_name("NAME,...");
  replay->add_option("--capacity-bytes", replay_options->capacities, "sizes of the cache")
      ->required()
      ->delimiter(',')
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 50))
      ->type_name("N,...");
  std::string policies = "Policies (what goes first):\n";
  for (const auto& choice : runtime::eviction_policies())
    policies += fmt::format("  {:9} {}\n", choice.name, choice.description);
  replay->footer(policies +
                 "\nExample:\n  rdusim cache replay --trace configs/reference/cache/traces/mixed060.csv.gz "
                 "--policy all --capacity-bytes 243000000000,972000000000");
  replay->callback([&session, replay_options] {
    session.body = [replay_options](Session& s) { return run_replay(s, *replay_options); };
  });

  auto reference_options = std::make_shared<ReferenceOptions>();
  auto* reference = cache->add_subcommand(
      "reference", "our miss counts beside those of a reference; exit code 1 where they differ too much");
  reference
      ->add_option("FOLDER", reference_options->folder,
                   "results.csv with trace,policy,cache_bytes,misses and traces/<trace>.csv[.gz]")
      ->required()
      ->check(CLI::ExistingDirectory);
  reference->footer("Example:\n  rdusim cache reference configs/reference/cache");
  reference->callback([&session, reference_options] {
    session.body = [reference_options](Session& s) { return run_reference(s, *reference_options); };
  });
}

}  // namespace rdusim::cli
