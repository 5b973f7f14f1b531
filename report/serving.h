// What serving said, for people and for programs: JSON, terminal tables, CSV of the requests, a timeline (the
// page is made from the JSON: result_page.h). Nodes stand in the order given; the first is the one that the
// others are compared with.
#pragma once

#include <string>
#include <vector>

#include "report/manifest.h"
#include "report/table.h"
#include "report/trace_writer.h"
#include "runtime/result.h"

namespace rdusim::report {

using NodeResults = std::vector<runtime::NodeResult>;

// {"nodes": {name: {...}}}. Of a node that ran out of memory, latencies and rates are null and every request
// has failed. `records` holds the first kJsonRecords requests; serving_records has all of them.
// `residency.stays` holds the first kJsonStays stays of experts in HBM; `ranked` holds up to kJsonRanked
// latencies, times to first token, and switches (of requests that had one) for drawing their distributions.
inline constexpr size_t kJsonRecords = 1000;
inline constexpr size_t kJsonStays = 1000;
inline constexpr size_t kJsonRanked = 200;
Json serving_json(const NodeResults& nodes);

// A row a node: latency and its quantiles, time to first token, time per output token, hit rate, throughput.
Table serving_latency_table(const NodeResults& nodes);
// A row a node: what it spent its time on, per finished request, and as shares.
Table serving_time_table(const NodeResults& nodes);
// A row a node after the first: how many times longer it takes for a request, for the expert's passes, for
// one switch.
Table serving_speedup_table(const NodeResults& nodes);
// A row an expert that was asked for, most asked first.
Table serving_expert_table(const runtime::NodeResult& node);
// A row a flow and one a step of it; no rows where each request is one invocation.
Table serving_flow_table(const runtime::NodeResult& node);
// A row a node whose energies are known, joules by cause.
Table serving_energy_table(const NodeResults& nodes);
// One row a request and node, in seconds: for CSV.
Table serving_records(const NodeResults& nodes);

// What each node spends on a request, and which share of that is switching: a sentence each, drawn from the
// data.
std::string serving_sentence(const NodeResults& nodes);
std::string switching_sentence(const NodeResults& nodes);

// Tracks of each node: what it works on, its copies from the store, which expert is resident, and requests,
// each joined by arrows to the copy of its expert, its prefill and its decode. Bounded: of more than
// kTracedRequests requests every n-th is drawn, of more than kTracedStays stays every n-th; the timeline says
// so.
inline constexpr size_t kTracedRequests = 2000;
inline constexpr size_t kTracedStays = 20'000;
Timeline serving_timeline(const NodeResults& nodes);

// What a node spent on a finished request, idle time left out; zeros if none finished.
runtime::LatencySplit time_per_request(const runtime::NodeResult& node);

}  // namespace rdusim::report
