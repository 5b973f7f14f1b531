#include "sim/agcu/collective.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <queue>
#include <tuple>

#include "base/check.h"
#include "base/io/document.h"

namespace rdusim::sim::agcu {
namespace {

template <typename Enum>
Result<Enum> parse_name(const std::string& what, const std::string& name,
                        const std::vector<std::string>& names) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<Enum>(i);
  }
  const std::string near = nearest(name, names);
  return Error{ErrorCode::kInvalidInput, what + " " + name,
               fmt::format("known are {}", fmt::join(names, ", ")),
               near.empty() ? "" : "did you mean " + near + "?"};
}

bool reduces(CollectiveKind kind) {
  return kind == CollectiveKind::kAllReduce || kind == CollectiveKind::kReduceScatter;
}

// A transfer of one shard of one chunk that waits for its sender's way out.
struct Transfer {
  int64_t ready = 0;
  int64_t chunk = 0;
  int64_t step = 0;
  int64_t from = 0;
  int64_t to = 0;
  // Earliest first; ties by chunk, step, sender: a total order, so nothing depends on insertion.
  bool operator>(const Transfer& o) const {
    return std::tie(ready, chunk, step, from) > std::tie(o.ready, o.chunk, o.step, o.from);
  }
};

class Run {
 public:
  explicit Run(const CollectiveSpec& spec)
      : spec_(spec),
        n_(spec.sockets),
        latency_(std::llround(spec.latency_ns * 1e3)),
        reduce_(std::llround(spec.reduce_latency_ns * 1e3)),
        out_free_(static_cast<size_t>(n_), 0),
        in_free_(static_cast<size_t>(n_), 0) {
    const double shard = static_cast<double>(spec.bytes) / static_cast<double>(n_ * spec.chunks);
    serialise_ = std::llround(shard / spec.bandwidth_bytes_per_s * 1e12);
    summing_steps_ = reduces(spec.kind) ? n_ - 1 : 0;
    steps_ = spec.kind == CollectiveKind::kAllReduce ? 2 * (n_ - 1) : n_ - 1;
    arrived_.assign(static_cast<size_t>(spec.chunks * n_), {0, 0});
  }

  int64_t finish() {
    for (int64_t chunk = 0; chunk < spec_.chunks; ++chunk) {
      const double share = static_cast<double>(chunk + 1) / static_cast<double>(spec_.chunks);
      const int64_t ready = std::llround(spec_.producer_s * share * 1e12);
      last_ = std::max(last_, ready);  // a single socket has nothing to send
      for (int64_t socket = 0; socket < n_; ++socket) start(chunk, socket, ready);
    }
    // In order of readiness over all senders: an event never makes an earlier one, so this is time order.
    while (!waiting_.empty()) {
      const Transfer t = waiting_.top();
      waiting_.pop();
      const auto from = static_cast<size_t>(t.from);
      const auto to = static_cast<size_t>(t.to);
      const int64_t begin = std::max(t.ready, out_free_[from]);
      out_free_[from] = begin + serialise_;
      const int64_t end = std::max(begin + latency_, in_free_[to]) + serialise_;
      in_free_[to] = end;
      last_ = std::max(last_, end);
      arrive(t, end);
    }
    return last_;
  }

 private:
  void start(int64_t chunk, int64_t socket, int64_t ready) {
    if (n_ == 1) return;
    if (spec_.algorithm == CollectiveAlgorithm::kRing) {
      waiting_.push({ready, chunk, 0, socket, (socket + 1) % n_});
    } else {
      send_to_all(chunk, 0, socket, ready);
    }
  }
  void send_to_all(int64_t chunk, int64_t first_step, int64_t socket, int64_t ready) {
    for (int64_t i = 1; i < n_; ++i)
      waiting_.push({ready, chunk, first_step + i - 1, socket, (socket + i) % n_});
  }

  void arrive(const Transfer& t, int64_t end) {
    if (spec_.algorithm == CollectiveAlgorithm::kRing) {
      if (t.step + 1 == steps_) return;
      // APPROX: a shard is passed on when all of it is there; more chunks make it finer.
      const int64_t ready = end + (t.step < summing_steps_ ? reduce_ : 0);
      waiting_.push({ready, t.chunk, t.step + 1, t.to, (t.to + 1) % n_});
      return;
    }
    if (spec_.kind != CollectiveKind::kAllReduce || t.step >= n_ - 1) return;
    auto& [count, latest] = arrived_[static_cast<size_t>(t.chunk * n_ + t.to)];
    latest = std::max(latest, end);
    if (++count == n_ - 1) send_to_all(t.chunk, n_ - 1, t.to, latest + reduce_);
  }

  const CollectiveSpec spec_;
  const int64_t n_;
  const int64_t latency_;
  const int64_t reduce_;
  int64_t serialise_ = 0;
  int64_t steps_ = 0;
  int64_t summing_steps_ = 0;
  int64_t last_ = 0;
  std::vector<int64_t> out_free_;
  std::vector<int64_t> in_free_;
  std::vector<std::pair<int64_t, int64_t>>
      arrived_;  // direct all-reduce, by chunk and socket: shards, latest
  std::priority_queue<Transfer, std::vector<Transfer>, std::greater<>> waiting_;
};

}  // namespace

Result<CollectiveKind> parse_collective_kind(const std::string& name) {
  return parse_name<CollectiveKind>("collective", name,
                                    {"all_reduce", "all_gather", "reduce_scatter", "all_to_all"});
}
Result<CollectiveAlgorithm> parse_collective_algorithm(const std::string& name) {
  return parse_name<CollectiveAlgorithm>("algorithm", name, {"ring", "direct"});
}

Status validate(const CollectiveSpec& spec) {
  const auto bad = [](std::string what) {
    return Error{ErrorCode::kOutOfRange, "collective", std::move(what), ""};
  };
  if (spec.sockets < 1 || spec.sockets > 4096) return bad("1 to 4096 sockets");
  if (spec.chunks < 1 || spec.chunks > 65536) return bad("1 to 65536 chunks");
  if (spec.bytes < 1 || spec.bytes % (spec.sockets * spec.chunks) != 0)
    return bad(fmt::format("{} bytes do not divide over {} sockets and {} chunks", spec.bytes, spec.sockets,
                           spec.chunks));
  if (!(spec.bandwidth_bytes_per_s >= 1e6) || spec.bandwidth_bytes_per_s > 1e15)
    return bad("bandwidth is 1e6 to 1e15 bytes/s");
  if (!(spec.latency_ns >= 0) || !(spec.reduce_latency_ns >= 0) || !(spec.producer_s >= 0))
    return bad("times are not negative");
  if (spec.kind == CollectiveKind::kAllToAll && spec.algorithm == CollectiveAlgorithm::kRing)
    return bad("all_to_all goes direct, not around a ring");
  return {};
}

CollectiveResult run_collective(const CollectiveSpec& spec) {
  const Status valid = validate(spec);
  RDU_CHECK(valid.ok(), "{}", valid.error().what);
  CollectiveResult out;
  out.finish_ps = Run(spec).finish();
  out.exposed_ps = out.finish_ps - std::llround(spec.producer_s * 1e12);
  const int64_t rounds = spec.kind == CollectiveKind::kAllReduce ? 2 : 1;
  out.bytes_per_link = rounds * (spec.sockets - 1) * (spec.bytes / spec.sockets);
  out.lower_bound_ps =
      std::llround(static_cast<double>(out.bytes_per_link) / spec.bandwidth_bytes_per_s * 1e12);
  if (out.exposed_ps > 0)
    out.bus_bandwidth_bytes_per_s =
        static_cast<double>(out.bytes_per_link) / (static_cast<double>(out.exposed_ps) * 1e-12);
  return out;
}

}  // namespace rdusim::sim::agcu
