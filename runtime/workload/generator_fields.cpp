// The keys of a workload specification.
#include <fmt/format.h>

#include <set>

#include "base/io/fields.h"
#include "runtime/workload/generator.h"
#include "runtime/workload/reader.h"

namespace rdusim::runtime {
namespace {

constexpr int64_t kMaxRequests = 100'000'000;
constexpr RealRange kRate{1e-6, 1e9};
constexpr RealRange kSeconds{0, kMaxArrivalS};
// Sanity bounds: traces of production have coefficients of variation below ten.
constexpr RealRange kVariation{0, 100};

const Fields<ArrivalSpec>& arrival_fields() {
  static const auto fields =
      Fields<ArrivalSpec>("arrivals", "when conversations start")
          .text("process", &ArrivalSpec::process, "law of the gaps; together: all at time 0")
          .choices({"poisson", "gamma", "constant", "together"})
          .real("rate_per_s", &ArrivalSpec::rate_per_s, kRate, "1/s", "mean rate")
          .optional()
          .real("gap_cv", &ArrivalSpec::gap_cv, {0.01, 100}, "",
                "gamma: coefficient of variation of the gaps; above 1 they come in bursts")
          .optional()
          .real("day_s", &ArrivalSpec::day_s, kSeconds, "s", "diurnal period; 0: a steady rate")
          .optional()
          .real("day_amplitude", &ArrivalSpec::day_amplitude, {0, 1}, "", "of the rate, about its mean")
          .optional()
          .real("day_peak_s", &ArrivalSpec::day_peak_s, kSeconds, "s", "time of the first peak")
          .optional();
  return fields;
}

const Fields<LengthSpec>& length_fields() {
  static const auto fields =
      Fields<LengthSpec>("length", "tokens a turn, lognormal")
          .real("mean_tokens", &LengthSpec::mean_tokens, {0, static_cast<double>(kMaxTokens)}, "tokens",
                "before the limits; 0: the composition's request shape")
          .optional()
          .real("cv", &LengthSpec::cv, kVariation, "", "coefficient of variation; 0: always the mean")
          .optional()
          .integer("min_tokens", &LengthSpec::min_tokens, {1, kMaxTokens}, "tokens",
                   "shorter ones are cut up to it")
          .optional()
          .integer("max_tokens", &LengthSpec::max_tokens, {1, kMaxTokens}, "tokens",
                   "longer ones are cut to it")
          .optional();
  return fields;
}

const Fields<SessionSpec>& session_fields() {
  static const auto fields =
      Fields<SessionSpec>("sessions", "conversations of several turns")
          .real("mean_turns", &SessionSpec::mean_turns, {1, 10'000}, "turns", "geometric, at least 1")
          .real("mean_think_s", &SessionSpec::mean_think_s, kSeconds, "s", "exponential, between turns")
          .optional()
          .real("stay", &SessionSpec::stay, {0, 1}, "", "share of later turns that keep the expert")
          .optional()
          .integer("max_context_tokens", &SessionSpec::max_context_tokens, {1, kMaxTokens}, "tokens",
                   "a turn that would exceed it starts a new conversation")
          .optional();
  return fields;
}

const Fields<TenantSpec>& tenant_fields() {
  static const auto fields =
      Fields<TenantSpec>("tenant", "who asks")
          .text("name", &TenantSpec::name, "unique")
          .real("share", &TenantSpec::share, {1e-9, 1e9}, "", "weight among the tenants")
          .optional();
  return fields;
}

const Fields<WorkloadSpec>& workload_fields() {
  static const auto fields =
      Fields<WorkloadSpec>("workload", "a generated workload")
          .text("name", &WorkloadSpec::name, "shown in results")
          .text("description", &WorkloadSpec::description, "one sentence")
          .optional()
          .integer("requests", &WorkloadSpec::requests, {1, kMaxRequests}, "requests", "in all")
          .integer("seed", &WorkloadSpec::seed, {0, INT64_MAX}, "", "of every draw")
          .optional()
          .text("loop", &WorkloadSpec::loop, "open: arrivals by a law; closed: clients that wait for answers")
          .choices({"open", "closed"})
          .optional()
          .integer("clients", &WorkloadSpec::clients, {1, 1'000'000}, "clients", "of a closed loop")
          .optional()
          .nested("arrivals", &WorkloadSpec::arrivals, arrival_fields())
          .optional()
          .nested("prompt", &WorkloadSpec::prompt, length_fields())
          .optional()
          .nested("output", &WorkloadSpec::output, length_fields())
          .optional()
          .nested("sessions", &WorkloadSpec::sessions, session_fields())
          .optional()
          .text("popularity", &WorkloadSpec::popularity,
                "law of experts: uniform, round-robin, zipf:A, zipf:A+phases:N, zipf:A+drift:N")
          .optional()
          .list("tenants", &WorkloadSpec::tenants, tenant_fields())
          .optional()
          .check(check_workload_spec);
  return fields;
}

}  // namespace

std::string check_workload_spec(const WorkloadSpec& s) {
  const ArrivalSpec& a = s.arrivals;
  if (a.process != "gamma" && a.gap_cv != 1)
    return fmt::format("arrivals: process {} has no gap_cv", a.process);
  if ((a.day_s > 0) != (a.day_amplitude > 0)) return "arrivals: day_s and day_amplitude go together";
  if (a.process == "together" && a.day_s > 0) return "arrivals: process together has no day";
  if (a.day_peak_s > 0 && a.day_s == 0) return "arrivals: day_peak_s needs day_s";
  for (const LengthSpec* l : {&s.prompt, &s.output}) {
    if (l->min_tokens > l->max_tokens) return "min_tokens is above max_tokens";
    if (l->cv > 0 && l->mean_tokens == 0) return "a length with cv needs mean_tokens";
  }
  std::set<std::string> names;
  for (const TenantSpec& t : s.tenants) {
    if (t.name.empty() || !names.insert(t.name).second)
      return fmt::format("tenant '{}' is empty or named twice", t.name);
  }
  if (s.popularity.empty()) return "";
  const auto law = parse_popularity(s.popularity);
  return law.ok() ? "" : "popularity: " + law.error().what;
}

Result<WorkloadSpec> parse_workload_spec(const DocumentNode& root) {
  return workload_fields().parse(root);
}
std::string workload_json_schema() {
  return workload_fields().json_schema();
}
std::string workload_docs_table() {
  return workload_fields().docs_table();
}
std::string dump_workload_spec(const WorkloadSpec& spec) {
  return workload_fields().dump(spec);
}

}  // namespace rdusim::runtime
