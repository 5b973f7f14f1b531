// Generator of workloads. Samples by inversion over base's seeded stream; no distribution of the standard
// library, whose results differ between implementations.
#include "runtime/workload/synthetic.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/io/document.h"
#include "base/random.h"
#include "runtime/repeatable_math.h"
#include "runtime/workload/reader.h"

namespace rdusim::runtime {
namespace {

constexpr int64_t kMaxRequests = 100'000'000;

struct Specification {
  std::string process;
  int64_t requests = 1000;
  double rate_per_s = 1;
  RequestShape shape;
  uint64_t seed = 1;
  std::optional<PopularityLaw> popularity;
};

Error bad(const std::string& where, std::string what) {
  return {ErrorCode::kInvalidInput, where, std::move(what), synthetic_help()};
}

template <typename T>
Result<T> number(std::string_view text, const std::string& where, std::string_view key, T least, T most) {
  T value{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size() || !(value >= least && value <= most)) {
    return bad(where,
               fmt::format("{} must be a number between {} and {}, found '{}'", key, least, most, text));
  }
  return value;
}

Status set_key(Specification& s, std::string_view key, std::string_view value, const std::string& where) {
  if (key == "n") {
    RDU_ASSIGN(s.requests, number<int64_t>(value, where, key, 1, kMaxRequests));
  } else if (key == "rate") {
    RDU_ASSIGN(s.rate_per_s, number<double>(value, where, key, 1e-6, 1e9));
  } else if (key == "prompt") {
    RDU_ASSIGN(s.shape.prompt_tokens, number<int64_t>(value, where, key, 1, kMaxTokens));
  } else if (key == "output") {
    RDU_ASSIGN(s.shape.output_tokens, number<int64_t>(value, where, key, 1, kMaxTokens));
  } else if (key == "seed") {
    RDU_ASSIGN(s.seed, number<uint64_t>(value, where, key, 0, UINT64_MAX));
  } else if (key == "popularity") {
    auto law = parse_popularity(value);
    if (!law.ok()) return bad(where, law.error().what);
    s.popularity = *law;
  } else {
    const std::string near = nearest(key, {"n", "rate", "prompt", "output", "seed", "popularity"});
    return bad(where, fmt::format("unknown key '{}'{}", key,
                                  near.empty() ? "" : fmt::format(", did you mean '{}'?", near)));
  }
  return {};
}

Result<Specification> parse(const std::string& text, const WorkloadOptions& options) {
  Specification s;
  s.shape = options.defaults;
  s.seed = options.seed;
  std::string_view rest = std::string_view(text).substr(kSyntheticPrefix.size());
  for (bool first = true; first || !rest.empty(); first = false) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view part = rest.substr(0, comma);
    const std::string where =
        fmt::format("{}:1:{}", text, static_cast<size_t>(part.data() - text.data()) + 1);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (first) {
      s.process = part;
      if (part == "poisson" || part == "constant" || part == "together") continue;
      return bad(where, fmt::format("unknown arrival process '{}'", part));
    }
    const size_t equals = part.find('=');
    if (equals == std::string_view::npos)
      return bad(where, fmt::format("expected key=value, found '{}'", part));
    RDU_CHECK_OK(set_key(s, part.substr(0, equals), part.substr(equals + 1), where));
  }
  return s;
}

}  // namespace

std::string synthetic_help() {
  return "synthetic:poisson|constant|together[,n=1000][,rate=1][,prompt=T][,output=T][,popularity=uniform|"
         "round-robin|zipf:A]"
         "[,seed=1]; rate in requests a second";
}

Result<Workload> generate_workload(const std::string& specification, const WorkloadOptions& options) {
  RDU_ASSIGN(const Specification s, parse(specification, options));
  WorkloadBuilder builder(specification, "synthetic");
  Random random(s.seed);
  double arrival_s = 0;
  for (int64_t i = 0; i < s.requests; ++i) {
    if (s.process == "poisson") arrival_s -= repeatable_log(1 - random.uniform()) / s.rate_per_s;
    if (s.process == "constant") arrival_s = static_cast<double>(i) / s.rate_per_s;
    RDU_ASSIGN(const Picoseconds arrival, check_arrival(arrival_s, specification));
    builder.add({arrival, s.shape.prompt_tokens, s.shape.output_tokens, TenantId(), std::nullopt}, {});
  }
  RDU_ASSIGN(Workload workload, builder.finish(synthetic_help()));
  workload.popularity = s.popularity;
  return workload;
}

}  // namespace rdusim::runtime
