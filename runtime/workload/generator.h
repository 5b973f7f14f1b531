// Generated workloads: arrivals, lengths, conversations and tenants from stated laws and one seed; which
// expert a request needs follows from the popularity law when the composition is known (assign_experts).
//
//   open loop:    arrivals ─► a conversation starts ─► turn ─► think ─► turn ─► ...
//   closed loop:  `clients` take turns: request ─► its end ─► think ─► request ─► ...
//
// Requests come out one by one in order of arrival; only running conversations are held. Equal specification
// and seed give equal requests on every machine. Read from configs/workloads/*.yaml.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/io/document.h"
#include "base/random.h"
#include "base/result.h"
#include "runtime/workload/workload.h"

namespace rdusim::runtime {

// Gaps between arrivals, of conversations where there are any.
struct ArrivalSpec {
  std::string process = "poisson";  // poisson, gamma, constant, together
  double rate_per_s = 1;            // mean over a period
  double gap_cv = 1;                // gamma: coefficient of variation of the gaps; above 1 is bursts
  double day_s = 0;                 // diurnal period; 0: the rate is steady
  double day_amplitude = 0;         // of the rate's cosine about its mean, 0 to 1
  double day_peak_s = 0;            // time of the first peak
};

// Tokens a turn: lognormal of the given mean and coefficient of variation (0: always the mean), cut to
// limits.
struct LengthSpec {
  double mean_tokens = 0;  // 0: the composition's
  double cv = 0;
  int64_t min_tokens = 1;
  int64_t max_tokens = 1'000'000;
};

struct SessionSpec {
  double mean_turns = 1;  // geometric, at least 1
  double mean_think_s = 0;
  double stay = 1;                      // share of later turns that keep the conversation's expert
  int64_t max_context_tokens = 32'768;  // a turn that would exceed it starts a new conversation
};

struct TenantSpec {
  std::string name;
  double share = 1;  // weight among the tenants
};

struct WorkloadSpec {
  std::string name;
  std::string description;
  int64_t requests = 1000;
  int64_t seed = 1;
  std::string loop = "open";  // open, closed
  int64_t clients = 1;        // closed
  ArrivalSpec arrivals;       // open
  LengthSpec prompt;          // new tokens of a turn; its prompt is the conversation before it, and these
  LengthSpec output;
  SessionSpec sessions;
  std::string popularity;  // law of experts; empty: none
  std::vector<TenantSpec> tenants;
};

Result<WorkloadSpec> parse_workload_spec(const DocumentNode& root);
// What a specification made in code must hold, as the file's checks say; "" if it does.
std::string check_workload_spec(const WorkloadSpec& spec);
std::string workload_json_schema();
std::string workload_docs_table();
std::string dump_workload_spec(const WorkloadSpec& spec);

struct GeneratedRequest {
  Request request;
  Follow follow;
};

// The requests one by one; memory of the running conversations only.
class RequestStream {
 public:
  // `spec` holds check_workload_spec; lengths of 0 were replaced.
  explicit RequestStream(const WorkloadSpec& spec);
  GeneratedRequest next();

 private:
  struct Turn {
    double time_s;
    uint32_t session;
    uint32_t client;
    uint32_t previous;
    uint32_t history_tokens;
    Picoseconds think;
    TenantId tenant;
    [[nodiscard]] bool after(const Turn& other) const {
      return time_s != other.time_s ? time_s > other.time_s : client > other.client;
    }
  };
  void start_clients();
  double next_arrival_s();
  double unwarp(double even_s);
  Turn new_conversation(double time_s, uint32_t client);
  void push(const Turn& turn);
  Turn pop();
  int64_t length(const LengthSpec& spec);
  void plan_next_turn(const Turn& turn, const Request& request);

  WorkloadSpec spec_;
  Random arrivals_;
  Random lengths_;
  Random turns_;
  Random tenants_;
  double even_s_ = 0;     // arrival time at a steady rate
  double arrival_s_ = 0;  // of the next conversation; open loop
  int64_t arrivals_done_ = 0;
  std::vector<double> hour_ends_even_s_;  // diurnal: a period's hours, as steady time
  std::vector<double> tenant_ends_;       // running sums of the shares
  std::vector<Turn> heap_;                // turns to come, the earliest first
  uint32_t sessions_ = 0;
  uint32_t emitted_ = 0;
};

Result<Workload> generate_workload(WorkloadSpec spec, const std::string& source,
                                   const WorkloadOptions& options);

}  // namespace rdusim::runtime
