// The short form of generated workloads: a line of text to a WorkloadSpec.
#include "runtime/workload/synthetic.h"

#include <fmt/format.h>

#include <charconv>

#include "base/io/document.h"
#include "runtime/workload/generator.h"
#include "runtime/workload/reader.h"

namespace rdusim::runtime {
namespace {

Error bad(const std::string& where, std::string what) {
  return {ErrorCode::kInvalidInput, where, std::move(what), synthetic_help()};
}

template <typename T>
Status number(std::string_view text, const std::string& where, std::string_view key, T least, T most,
              T& value) {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem == std::errc() && end == text.data() + text.size() && value >= least && value <= most)
    return {};
  return bad(where, fmt::format("{} must be a number between {} and {}, found '{}'", key, least, most, text));
}

Status tokens(std::string_view text, const std::string& where, std::string_view key, LengthSpec& length) {
  int64_t count = 0;
  RDU_CHECK_OK(number<int64_t>(text, where, key, 1, kMaxTokens, count));
  length.mean_tokens = static_cast<double>(count);
  length.max_tokens = kMaxTokens;
  return {};
}

Status set_key(WorkloadSpec& s, std::string_view key, std::string_view value, const std::string& where) {
  constexpr int64_t kMaxRequests = 100'000'000;
  constexpr int64_t kMaxClients = 1'000'000;
  if (key == "n") return number<int64_t>(value, where, key, 1, kMaxRequests, s.requests);
  if (key == "rate") return number<double>(value, where, key, 1e-6, 1e9, s.arrivals.rate_per_s);
  if (key == "cv") return number<double>(value, where, key, 0.01, 100, s.arrivals.gap_cv);
  if (key == "clients") return number<int64_t>(value, where, key, 1, kMaxClients, s.clients);
  if (key == "prompt") return tokens(value, where, key, s.prompt);
  if (key == "output") return tokens(value, where, key, s.output);
  if (key == "turns") return number<double>(value, where, key, 1, 10'000, s.sessions.mean_turns);
  if (key == "think") return number<double>(value, where, key, 0, kMaxArrivalS, s.sessions.mean_think_s);
  if (key == "stay") return number<double>(value, where, key, 0, 1, s.sessions.stay);
  if (key == "seed") return number<int64_t>(value, where, key, 0, INT64_MAX, s.seed);
  if (key == "popularity") {
    const auto law = parse_popularity(value);
    if (!law.ok()) return bad(where, law.error().what);
    s.popularity = value;
    return {};
  }
  const std::string near = nearest(key, {"n", "rate", "cv", "clients", "prompt", "output", "turns", "think",
                                         "stay", "seed", "popularity"});
  return bad(where, fmt::format("unknown key '{}'{}", key,
                                near.empty() ? "" : fmt::format(", did you mean '{}'?", near)));
}

Status set_process(WorkloadSpec& s, std::string_view process, const std::string& where) {
  if (process == "closed") {
    s.loop = "closed";
    return {};
  }
  for (const char* known : {"poisson", "gamma", "constant", "together"}) {
    if (process != known) continue;
    s.arrivals.process = process;
    return {};
  }
  return bad(where, fmt::format("unknown arrival process '{}'", process));
}

Result<WorkloadSpec> parse(const std::string& text, const WorkloadOptions& options) {
  WorkloadSpec s;
  s.name = text;
  s.seed = static_cast<int64_t>(options.seed & static_cast<uint64_t>(INT64_MAX));
  s.prompt.max_tokens = s.output.max_tokens = kMaxTokens;
  std::string_view rest = std::string_view(text).substr(kSyntheticPrefix.size());
  for (bool first = true; first || !rest.empty(); first = false) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view part = rest.substr(0, comma);
    const std::string where =
        fmt::format("{}:1:{}", text, static_cast<size_t>(part.data() - text.data()) + 1);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (first) {
      RDU_CHECK_OK(set_process(s, part, where));
      continue;
    }
    const size_t equals = part.find('=');
    if (equals == std::string_view::npos)
      return bad(where, fmt::format("expected key=value, found '{}'", part));
    RDU_CHECK_OK(set_key(s, part.substr(0, equals), part.substr(equals + 1), where));
  }
  const std::string wrong = check_workload_spec(s);
  if (!wrong.empty()) return bad(text + ":1:1", wrong);
  return s;
}

}  // namespace

std::string synthetic_help() {
  return "synthetic:poisson|gamma|constant|together|closed[,n=1000][,rate=1][,cv=CV][,clients=1][,prompt=T][,"
         "output=T]"
         "[,turns=1][,think=0][,stay=1][,popularity=uniform|round-robin|zipf:A][,seed=1]; rate in requests a "
         "second";
}

Result<Workload> generate_workload(const std::string& specification, const WorkloadOptions& options) {
  RDU_ASSIGN(WorkloadSpec spec, parse(specification, options));
  return generate_workload(std::move(spec), specification, options);
}

}  // namespace rdusim::runtime
