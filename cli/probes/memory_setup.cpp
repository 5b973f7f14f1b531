// From the words of the command line, ours or the reference table's, to a device and its traffic.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "base/arch/dram_fields.h"
#include "base/arch/dram_mapping.h"
#include "base/io/document_scalars.h"
#include "cli/probes/memory_probe.h"

namespace rdusim::cli {
namespace {

using sim::DramDirection;
using sim::DramPattern;

Error option_error(const std::string& option, const std::string& what, const std::string& hint) {
  return {ErrorCode::kInvalidInput, option, what, hint};
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

std::optional<int64_t> number_of(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

// "64B", "4KiB", "1MiB"
std::optional<int64_t> bytes_of(std::string_view text) {
  for (const auto& [unit, factor] :
       {std::pair{"KiB", int64_t{1024}}, std::pair{"MiB", int64_t{1} << 20}, std::pair{"B", int64_t{1}}}) {
    if (!text.ends_with(unit)) continue;
    const auto number = number_of(text.substr(0, text.size() - std::string_view(unit).size()));
    if (!number || *number > (int64_t{1} << 40) / factor) return std::nullopt;
    return *number * factor;
  }
  return std::nullopt;
}

struct NamedPattern {
  DramPattern pattern = DramPattern::kSequential;
  std::optional<DramDirection> direction;
  std::optional<int64_t> granule_bytes;
  std::optional<int64_t> window_bytes;
  std::optional<int64_t> streams;
  bool one_granule = false;  // idle: one granule outstanding
};

// One word of a pattern's name after the kind; false if it means nothing.
bool take_word(const std::string& word, NamedPattern& named) {
  if (word == "read") {
    named.direction = DramDirection::kRead;
  } else if (word == "write") {
    named.direction = DramDirection::kWrite;
  } else if (word == "2R1W") {
    named.direction = DramDirection::kTwoReadsOneWrite;
  } else if (word == "idle") {
    named.one_granule = true;
  } else if (word.starts_with("win")) {
    named.window_bytes = number_of(std::string_view(word).substr(3));
    return named.window_bytes.has_value();
  } else if (const auto bytes = bytes_of(word)) {
    named.granule_bytes = bytes;
  } else {
    return word == "1" || word == "outstanding" || word == "seq" || word == "interleave" || word == "rr";
  }
  return true;
}

Result<NamedPattern> parse_pattern(const std::string& name) {
  NamedPattern named;
  std::vector<std::string> words = split(name, '_');
  if (words.size() > 1 && words[1] == "streams") {
    named.streams = number_of(words[0]);
    if (named.streams) words.erase(words.begin());
  }
  const std::map<std::string, DramPattern> kinds = {{"sequential", DramPattern::kSequential},
                                                    {"random", DramPattern::kRandom},
                                                    {"streams", DramPattern::kStreams},
                                                    {"mix", DramPattern::kMix}};
  const auto kind = kinds.find(words[0]);
  bool known = kind != kinds.end();
  if (known) named.pattern = kind->second;
  if (named.pattern == DramPattern::kMix) named.direction = DramDirection::kTwoReadsOneWrite;
  for (size_t i = 1; known && i < words.size(); ++i) known = take_word(words[i], named);
  if (known) return named;
  return option_error(
      "--pattern", "unknown pattern " + backquoted(name),
      "sequential, random, streams, mix, or a name of the reference table such as random_64B, "
      "16_streams_4KiB_rr, mix_2R1W_seq_64B_interleave, sequential_read_win2048");
}

// `given` as one of ours, which `words` maps from our own and the reference simulators' names.
Status choose(const std::string& option, const std::string& given,
              const std::vector<std::pair<std::string, std::string>>& words, std::string& chosen) {
  if (given.empty()) return {};
  std::vector<std::string> known;
  for (const auto& [word, ours] : words) {
    if (word == given) {
      chosen = ours;
      return {};
    }
    known.push_back(word);
  }
  return option_error(option, "unknown value " + backquoted(given), suggestion(given, known));
}

Status apply_policies(const MemoryProbeOptions& options, DramControllerSpec& controller) {
  RDU_CHECK_OK(choose("--refresh", options.refresh,
                      {{"all_bank", "all_bank"},
                       {"AllBank", "all_bank"},
                       {"staggered", "staggered"},
                       {"RANK_LEVEL_STAGGERED", "staggered"},
                       {"RANK_LEVEL_SIMULTANEOUS", "all_bank"},
                       {"per_bank", "per_bank"},
                       {"none", "none"},
                       {"NoRefresh", "none"}},
                      controller.refresh));
  std::string scheduler = controller.scheduler;
  RDU_CHECK_OK(choose("--scheduler", options.scheduler,
                      {{"fr_fcfs_row_hit", "fr_fcfs_row_hit"},
                       {"FRFCFSRowHit", "fr_fcfs_row_hit"},
                       {"fr_fcfs", "fr_fcfs"},
                       {"FRFCFS", "fr_fcfs"},
                       {"fcfs", "fcfs"},
                       {"FR-FCFS (per-bank queues)", "per_bank_queue"}},
                      scheduler));
  if (scheduler != "per_bank_queue") {
    controller.scheduler = scheduler;
  } else if (controller.kind != "per_bank_queue") {
    return option_error("--scheduler", "this device has no per-bank queues", "take one with per_bank_queue");
  }
  return choose("--row-policy", options.row_policy,
                {{"open", "open"}, {"Open", "open"}, {"OPEN_PAGE", "open"}, {"closed", "closed"}},
                controller.row_policy);
}

// Channel bits go below the highest column slice: a channel keeps what one turn over its bank groups and
// pseudo channels holds.
DramMapping with_channels(DramMapping mapping, int bits) {
  const auto column = [](const DramSlice& slice) { return slice.field == DramField::kColumn; };
  auto at = mapping.slices.end();
  for (auto it = mapping.slices.begin(); it != mapping.slices.end(); ++it) {
    if (column(*it)) at = it;
  }
  mapping.slices.insert(at, {DramField::kChannel, bits});
  return mapping;
}

Status apply_organisation(const MemoryProbeOptions& options, DramSpec& spec) {
  DramControllerSpec& controller = spec.controller;
  if (options.read_queue) controller.read_queue = *options.read_queue;
  if (options.write_queue) controller.write_queue = *options.write_queue;
  if (controller.read_queue < 1 || controller.read_queue > 4096 || controller.write_queue < 1 ||
      controller.write_queue > 4096) {
    return option_error("--read-queue, --write-queue", "queues hold 1 to 4096 requests", "");
  }
  const int64_t channels = options.channels.value_or(spec.organisation.channels);
  if (channels < 1 || channels > 1024 || (channels & (channels - 1)) != 0) {
    return option_error("--channels", "channels are a power of two up to 1024", "");
  }
  if (!options.mapping.empty()) {
    spec.organisation.channels = channels;
    controller.mapping = options.mapping;
  } else if (channels != spec.organisation.channels) {
    RDU_ASSIGN(DramMapping mapping, parse_dram_mapping(controller.mapping, spec.organisation));
    std::erase_if(mapping.slices, [](const DramSlice& slice) { return slice.field == DramField::kChannel; });
    spec.organisation.channels = channels;
    const int bits = dram_field_bits(spec.organisation)[static_cast<size_t>(DramField::kChannel)];
    if (bits > 0) mapping = with_channels(std::move(mapping), bits);
    controller.mapping = dump_dram_mapping(mapping);
  }
  return {};
}

}  // namespace

Result<MemoryProbeSetup> memory_probe_setup(Session& session, const MemoryProbeOptions& options) {
  MemoryProbeSetup setup;
  RDU_ASSIGN(setup.spec, load_dram(session.config, options.memory));
  RDU_CHECK_OK(apply_policies(options, setup.spec.controller));
  RDU_CHECK_OK(apply_organisation(options, setup.spec));
  RDU_CHECK_OK(check_dram(setup.spec));
  RDU_ASSIGN(const NamedPattern named, parse_pattern(options.pattern));

  sim::DramTraffic& traffic = setup.traffic;
  const int64_t burst = setup.spec.organisation.burst_bytes;
  traffic.pattern = named.pattern;
  traffic.direction = named.direction.value_or(DramDirection::kRead);
  if (options.direction == "read") traffic.direction = DramDirection::kRead;
  if (options.direction == "write") traffic.direction = DramDirection::kWrite;
  if (options.direction == "2R1W" || options.direction == "2R:1W") {
    traffic.direction = DramDirection::kTwoReadsOneWrite;
  }
  const int64_t granule = named.pattern == DramPattern::kSequential ? burst : std::max<int64_t>(64, burst);
  traffic.granule_bytes = options.granule_bytes.value_or(named.granule_bytes.value_or(granule));
  const int64_t window = named.one_granule ? traffic.granule_bytes : traffic.window_bytes;
  traffic.window_bytes = options.window_bytes.value_or(named.window_bytes.value_or(window));
  traffic.streams = options.streams.value_or(named.streams.value_or(traffic.streams));
  traffic.bursts = options.requests;
  traffic.source_queue = options.source_queue;
  traffic.seed = options.pattern_seed;
  return setup;
}

}  // namespace rdusim::cli
