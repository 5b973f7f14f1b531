// Timeline of a serving result for Perfetto.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "report/serving.h"

namespace rdusim::report {
namespace {

using runtime::NodeResult;
using runtime::RequestRecord;
using runtime::Residency;

Picoseconds run_begin(const RequestRecord& record) {
  return record.arrival + record.queueing + record.routing + record.switching;
}

size_t stride_of(size_t count, size_t most) {
  return std::max<size_t>(1, (count + most - 1) / most);
}

// Requests that run together would lie across each other on one track: each takes the first track that is
// free.
class Lanes {
 public:
  std::string lane(const std::string& name, Picoseconds begin, Picoseconds end) {
    size_t lane = 0;
    while (lane < free_from_.size() && free_from_[lane] > begin.value) ++lane;
    if (lane == free_from_.size()) free_from_.push_back(0);
    free_from_[lane] = end.value;
    return lane == 0 ? name : fmt::format("{} {}", name, lane + 1);
  }

 private:
  std::vector<int64_t> free_from_;
};

class NodeTimeline {
 public:
  NodeTimeline(const NodeResult& node, uint64_t number, std::vector<TraceSpan>& spans)
      : node_(node), first_flow_(number << 40U), spans_(spans) {}

  void draw() {
    draw_stays();
    const size_t stride = stride_of(node_.records.size(), kTracedRequests);
    std::vector<const RequestRecord*> records;
    for (const RequestRecord& record : node_.invocations()) {  // a drawn request's steps are all drawn
      if (record.request.value % stride == 0 && !record.failed) records.push_back(&record);
    }
    std::stable_sort(records.begin(), records.end(), [](const auto* a, const auto* b) {
      return run_begin(*a) - a->switching < run_begin(*b) - b->switching;
    });
    for (const RequestRecord* record : records) draw_request(*record);
  }

 private:
  void add(const std::string& track, const std::string& name, Picoseconds begin, Picoseconds duration,
           std::vector<uint64_t> flows) {
    if (duration.value > 0)
      spans_.push_back({node_.node, track, name, begin.value, duration.value, {}, std::move(flows)});
  }

  void draw_stays() {
    const size_t stride = stride_of(node_.timeline.size(), kTracedStays);
    Lanes copies;
    for (size_t i = 0; i < node_.timeline.size(); i += stride) {
      const Residency& stay = node_.timeline[i];
      const std::string& expert = node_.experts[stay.expert.value].name;
      copies_of_[stay.expert.value].emplace_back(stay.load_begin, spans_.size());
      add(copies.lane("store to HBM", stay.load_begin, stay.ready), "copy of " + expert, stay.load_begin,
          stay.ready - stay.load_begin, {});
      add("expert " + expert, "copied in", stay.load_begin, stay.ready - stay.load_begin, {});
      if (stay.evicted) add("expert " + expert, "in HBM", stay.ready, *stay.evicted - stay.ready, {});
    }
  }

  // The copy that a request waited for: the last of its expert that began before the request's pass.
  void join_copy(const RequestRecord& record, uint64_t flow) {
    const auto copies = copies_of_.find(record.expert.value);
    if (record.switching.value == 0 || copies == copies_of_.end()) return;
    const auto after = std::upper_bound(copies->second.begin(), copies->second.end(), run_begin(record),
                                        [](Picoseconds at, const auto& copy) { return at < copy.first; });
    if (after == copies->second.begin()) return;
    const size_t span = std::prev(after)->second;
    if (span < spans_.size() && spans_[span].track.starts_with("store to HBM"))
      spans_[span].flows.push_back(flow);
  }

  void draw_request(const RequestRecord& record) {
    const uint64_t flow = first_flow_ + record.request.value;
    const std::string request = fmt::format("request {}", record.request.value);
    const std::string& expert = node_.experts[record.expert.value].name;
    const Picoseconds begin = run_begin(record);
    const Picoseconds switched = begin - record.switching;
    const std::string work = work_.lane("work", switched, begin + record.prefill + record.decode);
    add(request, "waits", record.arrival, switched - record.arrival, {flow});
    add(request, "switch to " + expert, switched, record.switching, {});
    add(request, "prefill", begin, record.prefill, {});
    add(request, "decode", begin + record.prefill, record.decode, {});
    add(work, "switch to " + expert, switched, record.switching, {flow});
    join_copy(record, flow);
    add(work, "prefill " + expert, begin, record.prefill, {flow});
    add(work, "decode " + expert, begin + record.prefill, record.decode, {flow});
  }

  const NodeResult& node_;
  uint64_t first_flow_;
  std::vector<TraceSpan>& spans_;
  std::map<uint32_t, std::vector<std::pair<Picoseconds, size_t>>> copies_of_;  // expert: begin, span
  Lanes work_;
};

std::string rule(const char* what, size_t count, size_t most) {
  const size_t stride = stride_of(count, most);
  return stride == 1 ? "" : fmt::format("one of every {} of {} {} is drawn; ", stride, count, what);
}

}  // namespace

Timeline serving_timeline(const NodeResults& nodes) {
  Timeline timeline;
  uint64_t number = 1;
  for (const auto& node : nodes) {
    NodeTimeline(node, number++, timeline.spans).draw();
    const std::string left_out = rule("requests", node.records.size(), kTracedRequests) +
                                 rule("stays in HBM", node.timeline.size(), kTracedStays);
    if (!left_out.empty()) timeline.sampling += fmt::format("{}: {}", node.node, left_out);
  }
  return timeline;
}

}  // namespace rdusim::report
